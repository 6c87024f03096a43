"""postrider render: a template file and a data file, no service needed."""
import json
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build", "postrider")


class Render(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text if isinstance(text, str) else json.dumps(text))
        return path

    def run_it(self, *words, stdin=""):
        done = subprocess.run([PROGRAM, "render", *words], input=stdin.encode(),
                              capture_output=True, timeout=30)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_exact_octets(self):
        t = self.file("t.txt", "Hi {{name}} <{{{x}}}>\n{{#if y}}\nyes\n{{/if}}")
        d = self.file("d.json", {"name": "Ännchen", "x": "<&>", "y": 1})
        self.assertEqual(self.run_it(t, d), (0, "Hi Ännchen <<&>>\nyes\n", ""))

    def test_standard_input(self):
        d = self.file("d.json", {"a": 1})
        self.assertEqual(self.run_it("-", d, stdin="{{a}}"), (0, "1", ""))

    def test_data_is_an_empty_object_when_absent(self):
        t = self.file("t.txt", "a{{#if x}}b{{/if}}")
        self.assertEqual(self.run_it(t), (0, "a", ""))

    def test_template_files_of_both_versions(self):
        d = self.file("d.json", {"n": 1})
        for template in (
                {"TemplateContent": {"Subject": "s{{n}}", "Text": "t{{n}}",
                                     "Html": "h{{n}}"}},
                {"Template": {"SubjectPart": "s{{n}}", "TextPart": "t{{n}}",
                              "HtmlPart": "h{{n}}"}}):
            t = self.file("t.json", template)
            code, out, _ = self.run_it(t, d)
            self.assertEqual(code, 0)
            self.assertEqual(json.loads(out), {"Subject": "s1", "Text": "t1",
                                               "Html": "h1"})
            self.assertEqual(self.run_it(t, d, "--part", "html"),
                             (0, "h1", ""))

    def test_faults_have_a_place(self):
        for template, data, words in (
                ("a\n {{#if x}}", {}, "2:2: This block is not closed."),
                ("a\n {{x.y}}", {}, "2:2: Attribute 'x.y' is not present in "
                 "the rendering data."),
                ('{{#*inline "p"}}x{{/inline}}\n{{> (lookup . "n")}}', {},
                 "2:1: There is no partial of the name that the data gives.")):
            t = self.file("t.txt", template)
            d = self.file("d.json", data)
            self.assertEqual(self.run_it(t, d),
                             (1, "", "%s:%s\n" % (t, words)))

    def test_data_that_is_broken(self):
        t = self.file("t.txt", "a")
        d = self.file("d.json", '{"a":\n 1,}')
        code, out, err = self.run_it(t, d)
        self.assertEqual((code, out), (1, ""))
        self.assertTrue(err.startswith(d + ":2:4: "), err)
        for text in ("[]", ""):
            d = self.file("d.json", text)
            code, out, err = self.run_it(t, d)
            self.assertEqual((code, out), (1, ""))
            self.assertTrue(err.startswith(d + ":1:1: "), err)

    def test_inline(self):
        t = self.file("t.txt", "{{#if a}}x{{/if}}")
        self.assertEqual(self.run_it(t, "--inline"), (
            1, "", t + ":1:1: Template contains unsupported operations.\n"))

    def test_dialects(self):
        t = self.file("t.txt", "{{#a}}{{.}},{{/a}}{{b.c}}{{> p}}")
        d = self.file("d.json", {"a": [1, 2], "b": {"c": "&"}})
        p = self.file("p.json", {"p": "<{{b.c}}>"})
        for dialect in ("handlebars", "mustache"):
            self.assertEqual(
                self.run_it(t, d, "--dialect", dialect, "--partials", p),
                (0, "1,2,&amp;<&amp;>", ""))
            self.assertEqual(
                self.run_it(t, d, "--dialect=" + dialect, "--partials", p,
                            "--options", "noEscape"), (0, "1,2,&<&>", ""))

    def test_wrong_usage(self):
        t = self.file("t.txt", "a")
        for words in ((), (t, "--part", "body"), (t, "--dialect", "jinja"),
                      (t, "--what", "x"), (t, "--part"),
                      (t, "--options", "wrong"),
                      ("-", "-"), (t, t, t), (t + ".absent",)):
            code, out, err = self.run_it(*words)
            self.assertEqual((code, out), (2, ""), words)
            self.assertTrue(err.startswith("postrider: "), err)

    def test_no_escape_is_what_ses_does(self):
        t = self.file("t.txt", "a")
        self.assertEqual(self.run_it(t, "--options", "noEscape"),
                         (0, "a", ""))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
"""Whatever dies meanwhile, every accepted mail ends in one state."""
import threading
import time
import unittest

from libpeer import Sink
from libpostrider import Service

FAST = {"POSTRIDER_RETRY": "1s,1s"}


class Lives(unittest.TestCase):
    def test_killed_again_and_again(self):
        """Every accepted mail ends delivered, whatever dies meanwhile."""
        accepted, stop = [], threading.Event()
        with Sink(store=True) as sink:
            s = Service(dict(FAST, POSTRIDER_ROUTE=sink.route)).start()

            def send():
                n = 0
                while not stop.is_set():
                    n += 1
                    try:
                        accepted.append(s.send(
                            f"u{n}.{threading.get_ident()}@example.org"))
                    except Exception:
                        time.sleep(0.1)

            threads = [threading.Thread(target=send) for _ in range(4)]
            for t in threads:
                t.start()
            for life in range(4):
                time.sleep(1.5)
                s.kill()
                s.start()
            time.sleep(1)
            stop.set()
            for t in threads:
                t.join()
            self.assertGreater(len(accepted), 50)
            for mid in accepted:
                states = list(s.states(mid).values())
                self.assertEqual(states, ["delivered"], mid)
            self.assertEqual(len(accepted), len(set(accepted)))
            s.close()

    def test_a_second_one_is_refused(self):
        with Service() as s:
            with self.assertRaises(Exception):
                Service(state=s.state).start(seconds=10)
            self.assertEqual(s.get("/api/messages")["items"], [])

    def test_sigterm_drains(self):
        with Sink() as sink:
            s = Service(dict(FAST, POSTRIDER_ROUTE=sink.route)).start()
            ids = [s.send(f"u{i}@example.org") for i in range(50)]
            begin = time.monotonic()
            s.stop()
            self.assertLess(time.monotonic() - begin, 20)
            s.start()
            for mid in ids:
                self.assertEqual(list(s.states(mid).values()), ["delivered"])
            s.close()


if __name__ == "__main__":
    unittest.main()

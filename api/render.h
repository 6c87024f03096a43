/*
 * render - `postrider render`: a template file with a data file, to stdout.
 */
#ifndef POSTRIDER_API_RENDER_H
#define POSTRIDER_API_RENDER_H

int render_main(int argc, char **argv);

#endif

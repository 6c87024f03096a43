/*
 * serve - `postrider serve`: the whole service in one process.
 */
#ifndef POSTRIDER_API_SERVE_H
#define POSTRIDER_API_SERVE_H

int serve_main(int argc, char **argv);

#endif

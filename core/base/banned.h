/*
 * banned - functions that do not compile here (security.md 7.4). Included
 * by the Makefile before every source file.
 */
#ifndef POSTRIDER_BASE_BANNED_H
#define POSTRIDER_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef alloca

#pragma GCC poison strcpy strcat sprintf vsprintf gets scanf sscanf strtok
#pragma GCC poison system popen random mktemp atoi atol atof

#endif

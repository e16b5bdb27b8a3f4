// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// programs [-t MILLISECONDS] [NAME...]
//
// Runs the programs named, or all, and prints a line for each: family, name, nanoseconds a round, and the result of
// the first round, which is the same on every machine. As the first process of a guest it mounts what it needs, takes
// its arguments from the kernel's command line, and powers off.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "programs.h"

static const struct family *const FAMILIES[] = {&integer, &floating, &vector, &memory, &code, &kernel, &parallel};

void die(const char *what)
{
    fprintf(stderr, "programs: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static void measure(const struct family *family, const struct program *program, uint64_t nanoseconds)
{
    if (program->supported && !program->supported()) {
        printf("%s %s absent\n", family->name, program->name);
        return;
    }
    uint64_t result = program->run(1);
    uint64_t rounds = 1, taken;
    for (;;) {
        uint64_t start = now();
        program->run(rounds);
        taken = now() - start;
        if (taken >= nanoseconds)
            break;
        /* Towards the time asked for, in steps that a first, slow round cannot mislead. */
        uint64_t wanted = taken ? rounds * nanoseconds / taken + 1 : rounds * 10;
        rounds = wanted > rounds * 10 ? rounds * 10 : wanted > rounds ? wanted : rounds + 1;
    }
    printf("%s %s %.1f %016llx\n", family->name, program->name, (double) taken / (double) rounds,
           (unsigned long long) result);
    fflush(stdout);
}

static int chosen(const char *name, char *const *names)
{
    if (!*names)
        return 1;
    for (; *names; names++)
        if (!strcmp(*names, name))
            return 1;
    return 0;
}

static int is_known(const char *name)
{
    for (size_t f = 0; f < COUNT(FAMILIES); f++)
        for (size_t p = 0; p < FAMILIES[f]->count; p++)
            if (!strcmp(FAMILIES[f]->programs[p].name, name))
                return 1;
    return 0;
}

static void run(uint64_t milliseconds, char *const *names)
{
    for (size_t f = 0; f < COUNT(FAMILIES); f++)
        for (size_t p = 0; p < FAMILIES[f]->count; p++)
            if (chosen(FAMILIES[f]->programs[p].name, names))
                measure(FAMILIES[f], &FAMILIES[f]->programs[p], milliseconds * 1000000u);
}

static void become_first_process(void)
{
    mkdir("/proc", 0555);
    mount("proc", "/proc", "proc", 0, NULL);
    mkdir("/dev", 0755);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    if (console >= 0)
        for (int fd = 0; fd < 3; fd++)
            dup2(console, fd);
}

int main(int count, char **arguments)
{
    if (count == 2 && !strcmp(arguments[1], "--nothing"))
        return 0;
    int first = getpid() == 1;
    if (first)
        become_first_process();
    uint64_t milliseconds = 300;
    char **names = arguments + 1;
    if (count > 2 && !strcmp(arguments[1], "-t")) {
        milliseconds = strtoull(arguments[2], NULL, 10);
        names += 2;
    }
    for (char **name = names; *name; name++)
        if (!is_known(*name)) {
            fprintf(stderr, "programs: there is no program '%s'\n", *name);
            if (!first)
                return 2;
        }
    run(milliseconds, names);
    puts("end");
    fflush(stdout);
    if (first) {
        sync();
        reboot(RB_POWER_OFF);
    }
    return 0;
}

// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a program asks of the kernel: calls, pages, processes, switches, signals.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "programs.h"

static uint64_t syscall_run(uint64_t rounds)
{
    uint64_t calls = 0;
    while (rounds--) {
        for (int i = 0; i < 1000; i++)
            syscall(SYS_getppid);
    }
    return calls;
}

static uint64_t fault_run(uint64_t rounds)
{
    enum { PAGES = 256 };
    while (rounds--) {
        volatile char *area =
            mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED)
            die("mmap");
        for (int i = 0; i < PAGES; i++)
            area[i * 4096] = 1;
        munmap((void *) area, PAGES * 4096);
    }
    return 0;
}

static uint64_t exec_run(uint64_t rounds)
{
    uint64_t good = 0;
    while (rounds--) {
        pid_t child = fork();
        if (child < 0)
            die("fork");
        if (child == 0) {
            execl("/proc/self/exe", "programs", "--nothing", (char *) NULL);
            _exit(127);
        }
        int status;
        if (waitpid(child, &status, 0) != child)
            die("waitpid");
        good = (uint64_t) status;
    }
    return good;
}

static uint64_t pipe_run(uint64_t rounds)
{
    int there[2], back[2];
    if (pipe(there) || pipe(back))
        die("pipe");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    char byte = 7;
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1)
            if (write(back[1], &byte, 1) != 1)
                break;
        _exit(0);
    }
    close(there[0]);
    while (rounds--)
        for (int i = 0; i < 100; i++)
            if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
                die("a pipe");
    close(there[1]);
    waitpid(child, NULL, 0);
    close(back[0]);
    close(back[1]);
    return (uint64_t) byte;
}

static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
    (void) signal;
    caught++;
}

static uint64_t signal_run(uint64_t rounds)
{
    struct sigaction action = {.sa_handler = on_signal};
    if (sigaction(SIGUSR1, &action, NULL))
        die("sigaction");
    int first = 0;
    while (rounds--) {
        caught = 0;
        for (int i = 0; i < 100; i++)
            raise(SIGUSR1);
        first = caught;
    }
    return (uint64_t) first;
}

static const struct program PROGRAMS[] = {
    {"syscall", syscall_run, NULL}, {"page-fault", fault_run, NULL}, {"fork-exec", exec_run, NULL},
    {"pipe", pipe_run, NULL},       {"signal", signal_run, NULL},
};

const struct family kernel = {"kernel", PROGRAMS, COUNT(PROGRAMS)};

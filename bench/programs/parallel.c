// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// The same work by one thread and by each of two: with two processors both take the same time.

#include <pthread.h>

#include "programs.h"

static void *spin(void *rounds)
{
    uint64_t sum = 0;
    for (uint64_t i = *(uint64_t *) rounds * 100000; i; i--)
        sum = opaque(sum * 31 + i);
    return NULL;
}

static uint64_t one_run(uint64_t rounds)
{
    spin(&rounds);
    return 1;
}

static uint64_t two_run(uint64_t rounds)
{
    pthread_t other;
    if (pthread_create(&other, NULL, spin, &rounds))
        die("pthread_create");
    spin(&rounds);
    pthread_join(other, NULL);
    return 2;
}

static const struct program PROGRAMS[] = {{"one-thread", one_run, NULL}, {"two-threads", two_run, NULL}};

const struct family parallel = {"parallel", PROGRAMS, COUNT(PROGRAMS)};

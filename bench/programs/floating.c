// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// Double precision as a compiler makes it for any x86-64: scalar and packed SSE2.

#include <math.h>
#include <string.h>

#include "programs.h"

static uint64_t bits(double x)
{
    uint64_t result;
    memcpy(&result, &x, sizeof result);
    return result;
}

struct body {
    double at[3], speed[3], mass;
};

static uint64_t nbody_run(uint64_t rounds)
{
    static struct body start[5], bodies[5];
    uint32_t state = 9;
    for (size_t i = 0; i < COUNT(start); i++) {
        for (int axis = 0; axis < 3; axis++) {
            start[i].at[axis] = next_random(&state) * 1e-6;
            start[i].speed[axis] = next_random(&state) * 1e-9;
        }
        start[i].mass = 1.0 + (double) i;
    }
    while (rounds--) {
        memcpy(bodies, start, sizeof bodies);
        for (int step = 0; step < 1000; step++) {
            for (size_t i = 0; i < COUNT(bodies); i++)
                for (size_t j = i + 1; j < COUNT(bodies); j++) {
                    double d[3], square = 0;
                    for (int axis = 0; axis < 3; axis++) {
                        d[axis] = bodies[i].at[axis] - bodies[j].at[axis];
                        square += d[axis] * d[axis];
                    }
                    double pull = 0.001 / (square * sqrt(square));
                    for (int axis = 0; axis < 3; axis++) {
                        bodies[i].speed[axis] -= d[axis] * bodies[j].mass * pull;
                        bodies[j].speed[axis] += d[axis] * bodies[i].mass * pull;
                    }
                }
            for (size_t i = 0; i < COUNT(bodies); i++)
                for (int axis = 0; axis < 3; axis++)
                    bodies[i].at[axis] += 0.001 * bodies[i].speed[axis];
        }
        opaque((uint64_t) bodies);
    }
    return bits(bodies[0].at[0]) ^ bits(bodies[4].speed[2]);
}

static uint64_t dgemm_run(uint64_t rounds)
{
    enum { N = 64 };
    static double a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = i + j * 0.5;
            b[i][j] = i * 0.25 - j;
        }
    while (rounds--) {
        memset(c, 0, sizeof c);
        for (int i = 0; i < N; i++)
            for (int k = 0; k < N; k++)
                for (int j = 0; j < N; j++)
                    c[i][j] += a[i][k] * b[k][j];
        opaque((uint64_t) c);
    }
    return bits(c[5][7]) ^ bits(c[N - 1][N - 2]);
}

static uint64_t mandelbrot_run(uint64_t rounds)
{
    uint64_t inside = 0;
    while (rounds--) {
        inside = 0;
        for (int row = 0; row < 32; row++)
            for (int column = 0; column < 32; column++) {
                double cr = column / 16.0 - 1.5, ci = row / 16.0 - 1.0, r = 0, i = 0;
                int n = 0;
                while (n < 50 && r * r + i * i < 4) {
                    double next = r * r - i * i + cr;
                    i = 2 * r * i + ci;
                    r = next;
                    n++;
                }
                inside += (uint64_t) n;
            }
        opaque(inside);
    }
    return inside;
}

static uint64_t x87_run(uint64_t rounds)
{
    long double sum = 0;
    while (rounds--) {
        sum = 0;
        for (int i = 1; i <= 10000; i++)
            sum += 1.0L / i;
        opaque((uint64_t) &sum);
    }
    return bits((double) sum);
}

static const struct program PROGRAMS[] = {
    {"nbody", nbody_run, NULL},
    {"dgemm", dgemm_run, NULL},
    {"mandelbrot", mandelbrot_run, NULL},
    {"x87", x87_run, NULL},
};

const struct family floating = {"double", PROGRAMS, COUNT(PROGRAMS)};

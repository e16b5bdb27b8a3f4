// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// Loops of integer programs: calls, tables, pointers, branches.

#include <stdlib.h>
#include <string.h>

#include "programs.h"

__attribute__((noinline)) static uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t fib_run(uint64_t rounds)
{
    uint64_t result = 0;
    while (rounds--)
        result = fib(opaque(20));
    return result;
}

static uint8_t bytes[65536];

static void fill(void)
{
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t) next_random(&state);
}

static uint64_t crc32_run(uint64_t rounds)
{
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? 0xEDB88320 ^ (crc >> 1) : crc >> 1;
        table[i] = crc;
    }
    fill();
    uint32_t crc = 0;
    while (rounds--) {
        crc = ~0u;
        for (size_t i = 0; i < sizeof bytes; i++)
            crc = table[(crc ^ bytes[i]) & 255] ^ (crc >> 8);
        opaque(crc);
    }
    return crc;
}

struct node {
    struct node *next;
    uint64_t value;
};

static uint64_t list_run(uint64_t rounds)
{
    static struct node nodes[4096];
    for (size_t i = 0; i < COUNT(nodes); i++) {
        nodes[i].next = &nodes[(i * 17 + 5) % COUNT(nodes)];
        nodes[i].value = i;
    }
    uint64_t sum = 0;
    while (rounds--) {
        sum = 0;
        const struct node *node = nodes;
        for (int i = 0; i < 65536; i++) {
            sum += node->value;
            node = node->next;
        }
        opaque(sum);
    }
    return sum;
}

static uint64_t matrix_run(uint64_t rounds)
{
    enum { N = 32 };
    static uint32_t a[N][N], b[N][N], c[N][N];
    uint32_t state = 1;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            a[i][j] = next_random(&state);
            b[i][j] = next_random(&state);
        }
    while (rounds--) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                uint32_t sum = 0;
                for (int k = 0; k < N; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
        opaque((uint64_t) c);
    }
    return c[3][4] ^ (uint64_t) c[30][31] << 32;
}

static uint64_t state_run(uint64_t rounds)
{
    fill();
    uint64_t seen = 0;
    while (rounds--) {
        seen = 0;
        int state = 0;
        for (size_t i = 0; i < sizeof bytes; i++) {
            uint8_t x = bytes[i];
            switch (state) {
            case 0:
                state = x > 128 ? 1 : 2;
                break;
            case 1:
                state = x & 1 ? 3 : 0;
                seen++;
                break;
            case 2:
                state = x > 64 ? 0 : 3;
                break;
            default:
                state = x & 3;
                seen += 2;
            }
        }
        opaque(seen);
    }
    return seen;
}

static inline uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static uint64_t sha256_run(uint64_t rounds)
{
    /* The constants are the roots' fractions in the standard; any odd numbers make the same work. */
    static uint32_t k[64];
    uint32_t state = 7;
    for (int i = 0; i < 64; i++)
        k[i] = next_random(&state) << 8 | 1;
    fill();
    uint32_t h[8] = {0};
    while (rounds--) {
        for (int i = 0; i < 8; i++)
            h[i] = 0x6a09e667u + (uint32_t) i * 0x9e3779b9u;
        for (size_t at = 0; at < 16384; at += 64) {
            uint32_t w[64], v[8];
            for (int i = 0; i < 16; i++) {
                uint32_t word;
                memcpy(&word, bytes + at + 4 * i, 4);
                w[i] = __builtin_bswap32(word);
            }
            for (int i = 16; i < 64; i++) {
                uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
                uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
                w[i] = w[i - 16] + s0 + w[i - 7] + s1;
            }
            memcpy(v, h, sizeof v);
            for (int i = 0; i < 64; i++) {
                uint32_t s1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
                uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
                uint32_t s0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
                uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
                memmove(v + 1, v, 7 * sizeof v[0]);
                v[4] += t1;
                v[0] = t1 + t2;
            }
            for (int i = 0; i < 8; i++)
                h[i] += v[i];
        }
        opaque(h[0]);
    }
    return h[0] ^ (uint64_t) h[7] << 32;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
    return x < y ? -1 : x > y;
}

static uint64_t sort_run(uint64_t rounds)
{
    static uint32_t numbers[4096];
    uint64_t result = 0;
    while (rounds--) {
        uint32_t state = 3;
        for (size_t i = 0; i < COUNT(numbers); i++)
            numbers[i] = next_random(&state);
        qsort(numbers, COUNT(numbers), sizeof numbers[0], ascending);
        result = numbers[1000];
        opaque(result);
    }
    return result;
}

/* A machine of eight instructions: what the loop of a language's interpreter does. */
enum { LOAD, ADD, SUB, XOR, SHIFT, LESS, JUMP, STOP };

struct instruction {
    uint8_t what, to, from;
    int8_t value;
};

static uint64_t interpret(const struct instruction *program)
{
    uint64_t r[8] = {0};
    for (const struct instruction *i = program;; i++)
        switch (i->what) {
        case LOAD:
            r[i->to] = (uint64_t) i->value;
            break;
        case ADD:
            r[i->to] += r[i->from];
            break;
        case SUB:
            r[i->to] -= r[i->from];
            break;
        case XOR:
            r[i->to] ^= r[i->from];
            break;
        case SHIFT:
            r[i->to] = r[i->from] << (i->value & 63);
            break;
        case LESS:
            r[i->to] = r[i->to] < r[i->from];
            break;
        case JUMP:
            if (r[i->to])
                i += i->value;
            break;
        default:
            return r[0];
        }
}

static uint64_t interpreter_run(uint64_t rounds)
{
    static const struct instruction program[] = {
        {LOAD, 1, 0, 100}, {SHIFT, 1, 1, 7},  {LOAD, 2, 0, 1}, {LOAD, 3, 0, 0}, {ADD, 3, 2, 0},   {ADD, 0, 3, 0},
        {SHIFT, 4, 0, 3},  {XOR, 0, 4, 0},    {LOAD, 5, 0, 0}, {ADD, 5, 3, 0},  {LESS, 5, 1, 0},  {JUMP, 5, 0, -8},
        {STOP, 0, 0, 0}};
    uint64_t result = 0;
    while (rounds--) {
        result = interpret((const struct instruction *) opaque((uint64_t) program));
    }
    return result;
}

static uint64_t strings_run(uint64_t rounds)
{
    /* Words counted and compared, a byte at a time as most programs do it. */
    static char text[16384];
    uint32_t state = 5;
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        uint32_t x = next_random(&state) % 32;
        text[i] = x < 26 ? (char) ('a' + x) : ' ';
    }
    uint64_t found = 0;
    while (rounds--) {
        found = 0;
        const char *word = text;
        for (const char *at = text; *at; at++)
            if (*at == ' ') {
                size_t length = (size_t) (at - word);
                const char *same = text;
                for (int tries = 0; tries < 3 && length > 1; tries++) {
                    same = strchr(same + 1, *word);
                    if (!same)
                        break;
                    found += !strncmp(same, word, 2);
                }
                found += length << 8;
                word = at + 1;
            }
        opaque(found);
    }
    return found;
}

static const struct program PROGRAMS[] = {
    {"fib", fib_run, NULL},       {"crc32", crc32_run, NULL},   {"list", list_run, NULL},
    {"matrix", matrix_run, NULL}, {"state", state_run, NULL},   {"sha256", sha256_run, NULL},
    {"sort", sort_run, NULL},     {"interp", interpreter_run, NULL}, {"strings", strings_run, NULL}};

const struct family integer = {"integer", PROGRAMS, COUNT(PROGRAMS)};

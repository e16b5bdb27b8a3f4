// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// Code that changes: an instruction rewritten in a loop that runs it, and functions made anew as a just-in-time
// compiler makes them.

#include <string.h>
#include <sys/mman.h>

#include "programs.h"

static uint8_t *page(void)
{
    static uint8_t *code;
    if (!code) {
        code = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (code == MAP_FAILED)
            die("mmap of a page for code");
    }
    return code;
}

/* mov eax, imm32; ret */
static void make(uint8_t *at, uint32_t value)
{
    at[0] = 0xb8;
    memcpy(at + 1, &value, sizeof value);
    at[5] = 0xc3;
}

static uint64_t modify_run(uint64_t rounds)
{
    uint8_t *code = page();
    uint64_t sum = 0;
    while (rounds--) {
        sum = 0;
        for (uint32_t i = 0; i < 1000; i++) {
            make(code, i);
            sum += ((uint32_t(*)(void)) opaque((uint64_t) code))();
        }
    }
    return sum;
}

static uint64_t generate_run(uint64_t rounds)
{
    uint8_t *code = page();
    uint64_t sum = 0;
    while (rounds--) {
        sum = 0;
        for (uint32_t function = 0; function < 64; function++)
            make(code + 1024 * function, function);
        for (int pass = 0; pass < 100; pass++)
            for (uint32_t function = 0; function < 64; function++)
                sum += ((uint32_t(*)(void)) opaque((uint64_t) code + 1024 * function))();
    }
    return sum;
}

static const struct program PROGRAMS[] = {{"modify", modify_run, NULL}, {"generate", generate_run, NULL}};

const struct family code = {"code", PROGRAMS, COUNT(PROGRAMS)};

// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// Vector instructions: SSE2, AVX2, FMA, AES.

#include <immintrin.h>

#include "programs.h"

enum { N = 4096 };

static float x[N] __attribute__((aligned(32))), y[N] __attribute__((aligned(32)));
static int32_t p[N] __attribute__((aligned(32))), q[N] __attribute__((aligned(32)));

static void fill(void)
{
    for (int i = 0; i < N; i++) {
        x[i] = (float) (i % 100);
        y[i] = (float) (i % 7);
        p[i] = i * 3;
        q[i] = 7 - i;
    }
}

static uint64_t sse_run(uint64_t rounds)
{
    fill();
    float sum = 0;
    while (rounds--) {
        __m128 total = _mm_setzero_ps();
        for (int pass = 0; pass < 16; pass++)
            for (int i = 0; i < N; i += 4)
                total = _mm_add_ps(total, _mm_mul_ps(_mm_load_ps(x + i), _mm_load_ps(y + i)));
        sum = total[0] + total[1] + total[2] + total[3];
        opaque((uint64_t) sum);
    }
    return (uint64_t) sum;
}

__attribute__((target("avx2"))) static uint64_t avx2_run(uint64_t rounds)
{
    fill();
    uint64_t result = 0;
    while (rounds--) {
        __m256i total = _mm256_setzero_si256();
        for (int pass = 0; pass < 16; pass++)
            for (int i = 0; i < N; i += 8) {
                __m256i a = _mm256_load_si256((const __m256i *) (p + i));
                __m256i b = _mm256_load_si256((const __m256i *) (q + i));
                total = _mm256_add_epi32(total, _mm256_max_epi32(_mm256_mullo_epi32(a, b), _mm256_xor_si256(a, b)));
            }
        result = (uint64_t) _mm256_extract_epi64(total, 0) ^ (uint64_t) _mm256_extract_epi64(total, 3);
        opaque(result);
    }
    return result;
}

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

__attribute__((target("avx2,fma"))) static uint64_t fma_run(uint64_t rounds)
{
    fill();
    float sum = 0;
    while (rounds--) {
        __m256 total = _mm256_setzero_ps();
        for (int pass = 0; pass < 16; pass++)
            for (int i = 0; i < N; i += 8)
                total = _mm256_fmadd_ps(_mm256_load_ps(x + i), _mm256_load_ps(y + i), total);
        sum = 0;
        for (int i = 0; i < 8; i++)
            sum += total[i];
        opaque((uint64_t) sum);
    }
    return (uint64_t) sum;
}

static int has_fma(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

__attribute__((target("aes,sse2"))) static uint64_t aes_run(uint64_t rounds)
{
    __m128i block = _mm_setzero_si128();
    while (rounds--) {
        block = _mm_set_epi32(1, 2, 3, 4);
        __m128i key = _mm_set_epi32(5, 6, 7, 8);
        for (int i = 0; i < 1000; i++) {
            for (int round = 0; round < 9; round++)
                block = _mm_aesenc_si128(block, key);
            block = _mm_aesenclast_si128(block, key);
        }
        opaque((uint64_t) _mm_cvtsi128_si64(block));
    }
    return (uint64_t) _mm_cvtsi128_si64(block);
}

static int has_aes(void)
{
    return __builtin_cpu_supports("aes");
}

static const struct program PROGRAMS[] = {
    {"sse", sse_run, NULL}, {"avx2", avx2_run, has_avx2}, {"fma", fma_run, has_fma}, {"aes", aes_run, has_aes}};

const struct family vector = {"vector", PROGRAMS, COUNT(PROGRAMS)};

// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
//
// What bench/kvm compares Frond with: the bare ioctls of KVM. Prints the milliseconds from the opening of
// /dev/kvm to the exit of the first instruction, and the nanoseconds of an exit for a port and for memory.
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

enum { SIZE = 1 << 20, RESET = 0xFFFF0, EXITS = 20000, ROUNDS = 5 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static int check(int result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(1);
    }
    return result;
}

static void measure(const unsigned char *code, size_t length, unsigned reason) {
    double begin = now();
    int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    unsigned char *ram = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ram == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    memcpy(ram + RESET, code, length);
    struct kvm_userspace_memory_region low = {.slot = 0, .memory_size = SIZE, .userspace_addr = (unsigned long)ram};
    struct kvm_userspace_memory_region top = {.slot = 1, .guest_phys_addr = 0xFFFFF000, .memory_size = 4096,
        .userspace_addr = (unsigned long)ram + SIZE - 4096};
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &low), "KVM_SET_USER_MEMORY_REGION");
    check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &top), "KVM_SET_USER_MEMORY_REGION");
    int cpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    int size = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
    if (run == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    check(ioctl(cpu, KVM_RUN, 0), "KVM_RUN");
    double first = now() - begin;
    if (run->exit_reason != reason) {
        fprintf(stderr, "exit %u instead of %u\n", run->exit_reason, reason);
        exit(1);
    }
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        double from = now();
        for (int i = 0; i < EXITS; i++) {
            check(ioctl(cpu, KVM_RUN, 0), "KVM_RUN");
        }
        double each = (now() - from) / EXITS;
        best = each < best ? each : best;
    }
    printf("%.2f %.0f\n", first / 1e6, best);
}

int main(void) {
    // again: out 0x80, al; jmp again
    static const unsigned char port[] = {0xE6, 0x80, 0xEB, 0xFC};
    // mov ax, 0xFFFF; mov ds, ax; again: mov [0x10], al, which is at 1 MiB; jmp again
    static const unsigned char memory[] = {0xB8, 0xFF, 0xFF, 0x8E, 0xD8, 0xA2, 0x10, 0x00, 0xEB, 0xFB};
    measure(port, sizeof port, KVM_EXIT_IO);
    measure(memory, sizeof memory, KVM_EXIT_MMIO);
    return 0;
}

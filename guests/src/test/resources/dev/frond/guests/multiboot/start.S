# Copyright 2026 The Frond Authors
# SPDX-License-Identifier: Apache-2.0
#
# A Multiboot 1 header and the way to kernel.c: in a 32-bit program at once, in a 64-bit one through long mode with
# the first 8 GiB mapped to themselves.

    .set FLAGS, 3                       # modules on page boundaries, and memory information
    .section .multiboot, "a"
    .balign 4
    .long 0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)

    .text
    .code32
    .global start
start:
    movl $stack_end, %esp
#ifndef __x86_64__
    pushl %ebx
    pushl %eax
    call kernel
#else
    movl %eax, %esi                     # the magic number, needed later
    xorl %edx, %edx                     # 4096 entries of 2 MiB in 8 page directories
    movl $directories, %edi
    movl $0x83, %eax                    # present, writable, large
1:  movl %eax, (%edi)
    movl %edx, 4(%edi)
    addl $8, %edi
    addl $0x200000, %eax
    adcl $0, %edx
    cmpl $directories_end, %edi
    jb 1b
    movl $pointers, %edi
    movl $directories + 3, %eax
2:  movl %eax, (%edi)
    addl $8, %edi
    addl $0x1000, %eax
    cmpl $directories_end + 3, %eax
    jb 2b
    movl $pointers + 3, level4
    movl $level4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax                     # PAE
    movl %eax, %cr4
    movl $0xC0000080, %ecx              # IA32_EFER
    rdmsr
    orl $0x100, %eax                    # LME
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax               # PG
    movl %eax, %cr0
    lgdt table_pointer
    ljmp $8, $long_mode
    .code64
long_mode:
    movl %esi, %edi
    movl %ebx, %esi
    call kernel
#endif
3:  hlt
    jmp 3b

#ifdef __x86_64__
    .balign 8
table:
    .quad 0, 0x00AF9A000000FFFF         # 64-bit code
table_pointer:
    .word 15
    .long table
#endif

    .bss
    .balign 4096
level4:
    .skip 4096
pointers:
    .skip 4096
directories:
    .skip 8 * 4096
directories_end:
    .skip 8192
stack_end:

; Copyright 2026 The Frond Authors
; SPDX-License-Identifier: Apache-2.0
;
; A kernel that does for a few seconds what kernels do, so that the JVM learns which methods of the interpreter are worth to be
; compiled, and for what. In 64-bit mode it calls a long function, which is there 64 times, from ring 0 and from ring 3, makes
; system calls, takes page faults and interrupts of the timer, changes address spaces, clears and copies pages, and stores to
; code. Then it says "training" on COM1 and switches the machine off. tools/training-interpreter.hex is what NASM makes of it:
;
;   nasm -f bin tools/training-interpreter.asm -o /dev/stdout | xxd -p >tools/training-interpreter.hex

ROUNDS equ 60
COPIES equ 64
COPY equ 0x400000               ; where the functions are: one a page, each a bit further in its page
STEP equ 0x1040
DATA equ 0x600000
PAGES equ 0x700000
DEMAND equ 0x40000000           ; 512 pages that are there when they are touched
PML4 equ 0x300000
IDT equ 0x308000
TSS equ 0x309000
PERCPU equ 0x30A000                ; what GS points to in the kernel: its stack, the user's stack
STACK equ 0x320000
USER_STACK equ 0x330000
FAULT_STACK equ 0x340000

bits 32
org 0x100000
header:
    dd 0x1BADB002, 0x00010000, -(0x1BADB002 + 0x00010000)
    dd header, header, 0, 0, start
start:
    mov esp, STACK
    mov dword [PML4], PML4 + 0x1007
    mov dword [PML4 + 0x1000], PML4 + 0x2007
    mov dword [PML4 + 0x1008], PML4 + 0x3007
    mov dword [PML4 + 0x3000], PML4 + 0x4007
    mov edi, PML4 + 0x2000
    mov eax, 0x87               ; pages of 2 MiB, for everybody
    mov ecx, 16
.large:
    mov [edi], eax
    add edi, 8
    add eax, 0x200000
    loop .large
    mov eax, cr4
    or eax, 0x620               ; PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, PML4
    mov cr3, eax
    mov ecx, 0xC0000080
    mov eax, 0x101              ; EFER: LME, SCE
    xor edx, edx
    wrmsr
    mov eax, cr0
    or eax, 0x80010002          ; PG, WP, MP
    and eax, ~4
    mov cr0, eax
    lgdt [gdtr]
    jmp 8:long_mode

bits 64
long_mode:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rax, TSS
    mov qword [rax + 4], FAULT_STACK
    mov edi, IDT
    mov ecx, 0x40
    lea rdx, [rel nothing]
.gates:
    call gate
    loop .gates
    mov edi, IDT + 14 * 16
    lea rdx, [rel page_fault]
    call gate
    mov edi, IDT + 0x20 * 16
    lea rdx, [rel tick]
    call gate
    lidt [rel idtr]
    mov eax, 0x28
    ltr ax
    mov ecx, 0xC0000081         ; STAR, LSTAR, SFMASK
    xor eax, eax
    mov edx, 0x00130008
    wrmsr
    mov ecx, 0xC0000082
    lea eax, [rel system_call]
    xor edx, edx
    wrmsr
    mov ecx, 0xC0000084
    mov eax, 0x700
    wrmsr
    mov ecx, 0xC0000102         ; the other GS base
    mov eax, PERCPU
    wrmsr
    mov qword [PERCPU], STACK
    lea rsi, [rel pairs]
    mov ecx, 8
    xor edx, edx
.ports:
    lodsb
    mov dl, al
    lodsb
    out dx, al
    loop .ports
    sti

    xor r15d, r15d
round:
    ; Some of the functions are stored anew, which drops what was decoded of them.
    mov r14d, 16
.copy:
    lea eax, [r15 * 4 + r14]
    and eax, COPIES - 1
    imul rdi, rax, STEP
    add rdi, COPY
    lea rsi, [rel function]
    mov ecx, function_end - function
    rep movsb
    dec r14d
    jnz .copy
    cmp r15d, 16
    jb next_round                    ; not all of them are there yet
    call all
    call all
    mov rax, cr3
    mov cr3, rax
    ; Pages come when they are touched, are cleared and copied, and go.
    mov ebx, DEMAND
    mov ebp, 96
.touch:
    mov rdi, rbx
    mov ecx, 512
    xor eax, eax
    rep stosq
    mov rsi, rbx
    lea rdi, [rbx + 0x60000]
    mov ecx, 512
    rep movsq
    add rbx, 0x1000
    dec ebp
    jnz .touch
    mov ebx, DEMAND
    mov edi, PML4 + 0x4000
.forget:
    mov qword [rdi], 0
    invlpg [rbx]
    add rdi, 8
    add rbx, 0x1000
    cmp edi, PML4 + 0x5000
    jb .forget
    ; To ring 3, and back by a system call.
    push 0x1B
    push USER_STACK
    push 0x202
    push 0x23
    lea rax, [rel user]
    push rax
    iretq
back:
    mov rsp, STACK
    sti
next_round:
    inc r15d
    cmp r15d, ROUNDS
    jb round
    lea rsi, [rel text]
    mov ecx, 9
    mov edx, 0x3F8
    rep outsb
    mov edx, 0x604
    mov eax, 0x3400             ; PM1a_CNT: SLP_TYP 5, SLP_EN
    out dx, ax
    jmp $

gate:
    mov eax, edx
    mov [rdi], ax
    mov word [rdi + 2], 8
    mov word [rdi + 4], 0xEE00
    shr eax, 16
    mov [rdi + 6], ax
    mov qword [rdi + 8], 0
    add rdi, 16
    ret

; Calls all functions.
all:
    push rbx
    push r12
    mov r12d, COPIES
    mov ebx, COPY
.one:
    mov rdi, DATA
    mov esi, r12d
    call rbx
    add rbx, STEP
    dec r12d
    jnz .one
    pop r12
    pop rbx
    ret

user:
    mov r12d, COPIES
    mov ebx, COPY
.one:
    mov rdi, DATA
    mov esi, r12d
    call rbx
    xor eax, eax
    mov rdi, DATA
    syscall
    mov eax, 1
    mov rdi, DATA
    syscall
    mov [DEMAND + rbx - COPY], rax
    add rbx, STEP
    dec r12d
    jnz .one
    mov eax, 2
    syscall

system_call:
    swapgs
    mov [gs:8], rsp
    mov rsp, [gs:0]
    push qword [gs:8]
    push r11
    push rcx
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    sti
    cmp eax, 3
    jae .no
    lea rcx, [rel calls]
    mov eax, eax
    call [rcx + rax * 8]
.no:
    cli
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop rcx
    pop r11
    pop rsp
    swapgs
    o64 sysret

call_function:
    mov esi, 7
    mov eax, COPY
    call rax
    ret
call_count:
    mov rax, [rdi]
    inc qword [rdi]
    ret
call_back:
    pop rax
    mov r15, [rsp]
    mov rsp, STACK
    swapgs
    jmp back

page_fault:
    push rax
    push rcx
    push rdx
    mov rax, cr2
    mov ecx, eax
    shr ecx, 12
    and ecx, 511
    cmp eax, DEMAND
    jb nothing
    mov edx, ecx
    shl edx, 12
    add edx, PAGES + 7
    mov eax, PML4 + 0x4000
    mov [rax + rcx * 8], rdx
    pop rdx
    pop rcx
    pop rax
    add rsp, 8
    iretq

tick:
    push rax
    inc qword [DATA + 0x800]
    mov al, 0x20
    out 0x20, al
    pop rax
nothing:
    iretq

; op: an operation of two operands in the forms that compilers use, each followed by a jump, as most are.
%macro forms 1
    %1 rax, rdx
    jz %%a
%%a:
    %1 ecx, edx
    jb %%b
%%b:
    %1 rax, [rdi + 0x10]
    ja %%c
%%c:
    %1 edx, [rdi + 0x18]
    js %%d
%%d:
    %1 [rdi + 0x20], rcx
    jl %%e
%%e:
    %1 [rdi + 0x28], edx
    jg %%f
%%f:
    %1 rax, 8
    jnz %%g
%%g:
    %1 ecx, 3
    jae %%h
%%h:
    %1 rdx, 0x1234
    jbe %%i
%%i:
    %1 edx, 0x12345
    jns %%j
%%j:
    %1 dword [rdi + 0x30], 1
    jz %%k
%%k:
    %1 qword [rdi + 0x38], 2
    jnz %%l
%%l:
    %1 byte [rdi + 0x40], 4
    jz %%m
%%m:
    %1 cl, dl
    jz %%n
%%n:
    %1 al, 5
    jnz %%o
%%o:
    %1 cl, [rdi + 0x41]
    jb %%p
%%p:
    %1 eax, 0x23456
    jz %%q
%%q:
    %1 dword [rdi + 0x44], 0x34567
    jle %%r
%%r:
    %1 word [rdi + 0x48], 6
    jz %%s
%%s:
    %1 [rdi + 0x4A], dl
    jo %%t
%%t:
%endmacro

%macro shifts 1
    %1 rax, 3
    %1 edx, 5
    %1 rax, 1
    %1 rdx, cl
    %1 eax, cl
%endmacro

; A function as compilers make them: RDI points to data.
function:
    endbr64
    push rbp
    mov rbp, rsp
    push r15
    push r14
    mov r14, rdi
    push r13
    mov r13d, esi
    push r12
    push rbx
    mov rbx, rdi
    sub rsp, 0x28
    mov [rsp + 8], rdi
    mov [rsp + 0x10], esi
    xor eax, eax
    mov ecx, 5
    mov edx, esi
    forms add
    forms cmp
    mov rsi, rdi
    mov r12, [rdi + 0x80]
    test r12, r12
    jnz .there
    mov r12, rbx
.there:
    mov [r12 + 0x80], r12
    mov eax, [r12 + 0x88]
    mov [r12 + 0x8C], eax
    mov al, [r12 + 0x90]
    mov [r12 + 0x91], al
    mov ax, [r12 + 0x92]
    mov [r12 + 0x94], ax
    mov qword [r12 + 0x98], 7
    mov dword [r12 + 0xA0], 8
    mov word [r12 + 0xA4], 9
    mov byte [r12 + 0xA6], 10
    mov r8, 0x123456789ABC
    mov r9, -5
    mov dl, 3
    mov ch, dl
    forms and
    forms sub
    movzx eax, byte [rbx + 0x90]
    test al, al
    jz .zero
    movzx ecx, al
.zero:
    movzx edx, word [rbx + 0x92]
    movzx edx, dx
    movsx rdx, dx
    movsx ecx, al
    movsx r8, byte [rbx + 3]
    movsxd rcx, edx
    movsxd r9, dword [rbx + 0x10]
    movsx r9d, word [rbx + 0x12]
    test eax, eax
    js .negative
    test byte [rbx + 0x91], 3
    jnz .negative
    test dword [rbx + 0x88], 0x10000
    jz .negative
    test ecx, 0x200
    jz .negative
    test eax, 0x400
    jz .negative
    test rcx, rcx
    jz .negative
    test [rbx + 0x80], rcx
    jz .negative
    test cl, 1
    jnz .negative
.negative:
    forms or
    forms xor
    lea rsi, [rbx + r13 * 8 + 0x10]
    lea ecx, [rax + rax * 2]
    lea rdx, [rel function]
    lea rdi, [rbx + 0x40]
    mov rax, [rbx + r13 * 8]
    mov [rbx + r13 * 8 + 0x200], rax
    mov eax, [rbx + r13 * 4 + 4]
    mov ecx, r13d
    shifts shl
    shifts shr
    shifts sar
    shifts rol
    shifts ror
    shr dword [rbx + 0x60], 1
    shl qword [rbx + 0x68], 2
    inc eax
    jnz .up
.up:
    dec rcx
    jz .down
.down:
    inc dword [rbx + 0x70]
    dec dword [rbx + 0x70]
    jz .same
.same:
    dec qword [rbx + 0x78]
    neg rax
    not rdx
    neg ecx
    not eax
    imul rax, rdx
    imul ecx, eax, 7
    imul rdx, [rbx + 0x10]
    imul rax, rax, 0x1234
    mul rcx
    mov ecx, 77
    mov edx, 1
    div ecx
    cdqe
    cdq
    cqo
    adc rax, 0
    sbb rcx, rcx
    adc edx, [rbx + 8]
    bt eax, 5
    jb .bit
.bit:
    bt [rbx + 0x10], r13
    jnb .other
.other:
    lock bts qword [rbx + 0x300], 6
    lock btr qword [rbx + 0x300], 6
    bsf rax, [rbx + 0x300]
    bsr ecx, r13d
    bswap eax
    xchg rax, rcx
    xchg [rbx + 0x308], rax
    lock xadd [rbx + 0x310], ecx
    mov eax, [rbx + 0x318]
    lock cmpxchg [rbx + 0x318], edx
    lock inc dword [rbx + 0x320]
    lock add qword [rbx + 0x328], 1
    lock or byte [rbx + 0x330], 1
    setz al
    setb [rbx + 0x340]
    seta cl
    cmovz rax, rdx
    cmovb ecx, [rbx + 4]
    cmovnz edx, eax
    cmovae rdx, rax
    cmova r8, [rbx]
    pushfq
    pop rax
    mov rcx, gs
    push 5
    push qword [rbx + 8]
    add rsp, 0x10
    cld
    pause
    mov rsi, rbx
    lea rdi, [rbx + 0x400]
    mov ecx, 24
    rep movsb
    mov ecx, 4
    rep movsq
    mov ecx, 16
    xor eax, eax
    rep stosb
    movups xmm0, [rbx]
    movaps [rbx + 0x500], xmm0
    pxor xmm1, xmm1
    movups [rbx + 0x510], xmm1
    movq xmm2, [rbx + 8]
    movd eax, xmm0
    movdqa xmm3, xmm0
    pcmpeqb xmm3, xmm1
    pmovmskb ecx, xmm3
    mov ecx, 3
.again:
    call .inner
    dec ecx
    jnz .again
    lea rax, [rel .inner]
    call rax
    mov rax, [rsp + 8]
    mov edx, [rsp + 0x10]
    jmp .end
.inner:
    push rbp
    push rbx
    sub rsp, 8
    mov rbx, rdi
    mov rbp, rsi
    mov rax, rbx
    add rsp, 8
    pop rbx
    pop rbp
    ret
.end:
    add rsp, 0x28
    pop rbx
    pop r12
    pop r13
    pop r14
    pop r15
    pop rbp
    ret
function_end:

align 8
calls: dq call_function, call_count, call_back
gdt:
    dq 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF        ; code and data of the kernel
    dq 0x00CFF3000000FFFF, 0x00AFFB000000FFFF           ; data and code of the user
    dq 0x0000890000000067 | (TSS & 0xFFFFFF) << 16 | (TSS >> 24) << 56, 0
gdtr:
    dw gdtr - gdt - 1
    dd gdt
idtr:
    dw 0x3FF
    dq IDT
; ICW1 to ICW4 of the first 8259, all masked but the timer; counter 0 of the 8254: mode 2, every 1000h ticks
pairs: db 0x20, 0x11, 0x21, 0x20, 0x21, 0x04, 0x21, 0x01, 0x21, 0xFE, 0x43, 0x34, 0x40, 0x00, 0x40, 0x10
text: db "training", 10

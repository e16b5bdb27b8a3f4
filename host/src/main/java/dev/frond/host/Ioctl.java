// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.host;

/**
 * A command of ioctl(2): the name that the kernel's headers give it, and its number as
 * asm-generic/ioctl.h makes it of direction, type, number and the size of what is passed (x86-64,
 * AArch64).
 */
public record Ioctl(String name, long number) {
    private static final long WRITE = 1L << 30;
    private static final long READ = 2L << 30;

    /** {@code _IO}: the argument is a number, or unused. */
    public static Ioctl plain(String name, int type, int number) {
        return new Ioctl(name, (long) type << 8 | number);
    }

    /** {@code _IOR}: the kernel fills in {@code size} bytes. */
    public static Ioctl read(String name, int type, int number, long size) {
        return new Ioctl(name, READ | size << 16 | (long) type << 8 | number);
    }

    /** {@code _IOW}: the kernel reads {@code size} bytes. */
    public static Ioctl write(String name, int type, int number, long size) {
        return new Ioctl(name, WRITE | size << 16 | (long) type << 8 | number);
    }

    /** {@code _IOWR}: both. */
    public static Ioctl readWrite(String name, int type, int number, long size) {
        return new Ioctl(name, READ | WRITE | size << 16 | (long) type << 8 | number);
    }
}

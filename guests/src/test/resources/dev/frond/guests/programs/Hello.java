// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

public class Hello {
    public static void main(String[] arguments) {
        long sum = 0;
        for (int i = 0; i < 300_000; i++) {
            sum += i * 31L ^ (sum >>> 3);
        }
        System.out.println("hello " + sum + " " + Math.sqrt(2));
    }
}

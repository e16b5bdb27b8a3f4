// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0
package dev.frond.cpu.fpu;

/**
 * A floating-point number with a 128-bit significand, for the transcendentals: {@code (-1)^sign *
 * high.low * 2^exp}, 1 &lt;= high.low &lt; 2; zero has {@code high == 0}. Every operation works in
 * place and is off by a few units of 2^-127 at most; a subtraction keeps the side on which the
 * exact difference lies.
 */
final class Quad {
    int sign;
    int exp;
    long high;
    long low;

    Quad() {}

    Quad(int sign, int exp, long high, long low) {
        set(sign, exp, high, low);
    }

    static Quad of(long value) {
        Quad q = new Quad();
        q.setInteger(value);
        return q;
    }

    void set(int newSign, int newExp, long newHigh, long newLow) {
        sign = newSign;
        exp = newExp;
        high = newHigh;
        low = newLow;
    }

    void set(Quad from) {
        set(from.sign, from.exp, from.high, from.low);
    }

    /** A finite or zero operand. */
    void set(Unpacked from) {
        set(from.sign, from.exp, from.sig, 0);
    }

    void setInteger(long value) {
        if (value == 0) {
            set(0, 0, 0, 0);
            return;
        }
        long magnitude = Math.abs(value);
        int shift = Long.numberOfLeadingZeros(magnitude);
        set(value < 0 ? 1 : 0, 63 - shift, magnitude << shift, 0);
    }

    boolean isZero() {
        return high == 0;
    }

    void multiply(Quad y) {
        if (high == 0 || y.high == 0) {
            set(sign ^ y.sign, 0, 0, 0);
            return;
        }
        long h = Math.unsignedMultiplyHigh(high, y.high);
        long l = high * y.high;
        long first = Math.unsignedMultiplyHigh(high, y.low);
        long second = Math.unsignedMultiplyHigh(low, y.high);
        long sum = l + first;
        h += Wide.carry(l, sum);
        l = sum + second;
        h += Wide.carry(sum, l);
        sign ^= y.sign;
        exp += y.exp + 1;
        normalize(h, l);
    }

    /** h:l as the significand at the current exponent; it may have leading zeros but is not 0. */
    private void normalize(long h, long l) {
        int n = h != 0 ? Long.numberOfLeadingZeros(h) : 64 + Long.numberOfLeadingZeros(l);
        exp -= n;
        high = Wide.shiftLeftHigh(h, l, n);
        low = Wide.shiftLeftLow(l, n);
    }

    void divide(Quad y) {
        if (high == 0) {
            sign ^= y.sign;
            return;
        }
        sign ^= y.sign;
        exp -= y.exp;
        long n2 = high >>> 1;
        long n1 = high << 63 | low >>> 1;
        long n0 = low << 63;
        if (Wide.compare(high, low, y.high, y.low) < 0) {
            n2 = high;
            n1 = low;
            n0 = 0;
            exp--;
        }
        // Two digits of 64 bits; each step leaves its remainder in high:low.
        long q1 = digit(n2, n1, n0, y);
        long q0 = digit(high, low, 0, y);
        high = q1;
        low = q0;
    }

    private long digit(long n2, long n1, long n0, Quad y) {
        // An overestimate of the digit by at most 2.
        long q = Long.compareUnsigned(n2, y.high) >= 0 ? -1L : Wide.divide(n2, n1, y.high);
        long p0 = q * y.low;
        long p1 = Math.unsignedMultiplyHigh(q, y.low);
        long mid = q * y.high;
        long p2 = Math.unsignedMultiplyHigh(q, y.high);
        p1 += mid;
        p2 += Wide.carry(mid, p1);
        long r0 = n0 - p0;
        long borrow = Long.compareUnsigned(n0, p0) < 0 ? 1 : 0;
        long r1 = n1 - p1 - borrow;
        borrow = Long.compareUnsigned(n1, p1) < 0 || (n1 == p1 && borrow != 0) ? 1 : 0;
        long r2 = n2 - p2 - borrow;
        while (r2 < 0) {
            q--;
            long t0 = r0 + y.low;
            long c0 = Wide.carry(r0, t0);
            long t1 = r1 + y.high;
            long c1 = Wide.carry(r1, t1);
            long u1 = t1 + c0;
            c1 += Wide.carry(t1, u1);
            r0 = t0;
            r1 = u1;
            r2 += c1;
        }
        high = r1;
        low = r0;
        return q;
    }

    void add(Quad y) {
        add(y.sign, y.exp, y.high, y.low);
    }

    void subtract(Quad y) {
        add(y.sign ^ 1, y.exp, y.high, y.low);
    }

    private void add(int ys, int ye, long yh, long yl) {
        if (yh == 0) {
            return;
        }
        if (high == 0) {
            set(ys, ye, yh, yl);
        } else if (exp > ye || (exp == ye && Wide.compare(high, low, yh, yl) >= 0)) {
            addSmaller(sign ^ ys, exp - ye, yh, yl);
        } else {
            int oldSign = sign;
            int shift = ye - exp;
            long h = high;
            long l = low;
            set(ys, ye, yh, yl);
            addSmaller(oldSign ^ ys, shift, h, l);
        }
    }

    private void addSmaller(int opposite, int shift, long yh, long yl) {
        long h = Wide.shiftRightHigh(yh, shift);
        long l = Wide.shiftRightLow(yh, yl, shift);
        if (opposite == 0) {
            long sumLow = low + l;
            long sumHigh = high + h + Wide.carry(low, sumLow);
            if (Wide.compare(sumHigh, sumLow, high, low) < 0) {
                low = sumHigh << 63 | sumLow >>> 1;
                high = sumHigh >>> 1 | Unpacked.INTEGER_BIT;
                exp++;
            } else {
                high = sumHigh;
                low = sumLow;
            }
            return;
        }
        long differenceLow = low - l;
        long differenceHigh = high - h - (Long.compareUnsigned(low, l) < 0 ? 1 : 0);
        if ((differenceHigh | differenceLow) == 0) {
            set(0, 0, 0, 0);
        } else {
            normalize(differenceHigh, differenceLow);
        }
    }

    /** The polynomial with these coefficients, constant first, at x; x is not this. */
    void polynomial(Quad[] coefficients, Quad x) {
        // Later terms than these are below 2^-130 of the first.
        int terms = coefficients.length;
        if (x.high == 0) {
            terms = 1;
        } else if (x.exp < -1) {
            terms = Math.min(terms, 2 + 130 / -(x.exp + 1));
        }
        set(coefficients[terms - 1]);
        for (int k = terms - 2; k >= 0; k--) {
            multiply(x);
            add(coefficients[k]);
        }
    }
}

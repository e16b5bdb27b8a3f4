// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.guests;

import org.jspecify.annotations.NullMarked;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.zip.CRC32;

import javax.crypto.Cipher;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * What unmodified programs of Debian are asked to do in a guest. Each is one command for a shell,
 * which succeeds with status 0; programs that do not check themselves are held against what the JDK
 * computes on the host.
 *
 * @param quick whether it is one of those that each run of all tests has
 * @param command one line
 * @param expected what its output must contain
 */
@NullMarked
record GuestPrograms(String name, boolean quick, String command, String expected) {
    /** The file that is digested and enciphered: {@link #text} says what is in it. */
    private static final int TEXT_BYTES = 300_000;

    /** Those of the digests that busybox has, too. */
    private static final Set<String> BUSYBOX =
            Set.of("md5sum", "sha1sum", "sha256sum", "sha512sum");

    private static final String KEY = "000102030405060708090a0b0c0d0e0f1011121314151617";
    private static final String KEY_256 = KEY + "18191a1b1c1d1e1f";
    private static final String IV = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

    /**
     * Runs before all others; the disk /dev/vdb holds {@code compute.c} and a class of that size.
     */
    static String prepare(int classBytes) {
        return "mount -t tmpfs tmpfs /tmp; cd /tmp; export LC_ALL=C.UTF-8; stty -echo;"
                + " yes 'Frond runs it.' | head -c "
                + TEXT_BYTES
                + " >text; head -c 4096 /dev/vdb | tr -d '\\000' >compute.c;"
                + " tail -c +4097 /dev/vdb | head -c "
                + classBytes
                + " >Hello.class";
    }

    private static GuestPrograms quick(String name, String command, String expected) {
        return new GuestPrograms(name, true, command, expected);
    }

    private static GuestPrograms slow(String name, String command, String expected) {
        return new GuestPrograms(name, false, command, expected);
    }

    /** All of them, in the order to run. */
    static List<GuestPrograms> all() throws GeneralSecurityException {
        List<GuestPrograms> all = new ArrayList<>();
        digests(all);
        ciphers(all);
        openssl(all);
        stress(all);
        python(all);
        compiler(all);
        java(all);
        return all;
    }

    private static byte[] text() {
        byte[] line = "Frond runs it.\n".getBytes(StandardCharsets.US_ASCII);
        byte[] text = new byte[TEXT_BYTES];
        for (int i = 0; i < text.length; i++) {
            text[i] = line[i % line.length];
        }
        return text;
    }

    private static String digest(String algorithm, byte[] of) throws GeneralSecurityException {
        return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(of));
    }

    private static void digests(List<GuestPrograms> all) throws GeneralSecurityException {
        Map<String, String> programs =
                new TreeMap<>(
                        Map.of(
                                "md5sum", "MD5",
                                "sha1sum", "SHA-1",
                                "sha224sum", "SHA-224",
                                "sha256sum", "SHA-256",
                                "sha384sum", "SHA-384",
                                "sha512sum", "SHA-512"));
        for (Map.Entry<String, String> each : programs.entrySet()) {
            String expected = digest(each.getValue(), text());
            all.add(quick("coreutils " + each.getKey(), each.getKey() + " text", expected));
            if (BUSYBOX.contains(each.getKey())) {
                all.add(
                        quick(
                                "busybox " + each.getKey(),
                                "busybox " + each.getKey() + " text",
                                expected));
            }
        }
        Map<String, String> openssl =
                new TreeMap<>(
                        Map.of(
                                "md5", "MD5",
                                "sha1", "SHA-1",
                                "sha256", "SHA-256",
                                "sha512", "SHA-512",
                                "sha512-256", "SHA-512/256",
                                "sha3-256", "SHA3-256",
                                "sha3-512", "SHA3-512"));
        for (Map.Entry<String, String> each : openssl.entrySet()) {
            all.add(
                    quick(
                            "openssl " + each.getKey(),
                            "openssl dgst -" + each.getKey() + " text",
                            digest(each.getValue(), text())));
        }
        all.add(
                quick(
                        "coreutils b2sum and openssl blake2b512",
                        "b2sum text | cut -d ' ' -f 1 >a; openssl dgst -r -blake2b512 text |"
                                + " cut -d ' ' -f 1 >b; cmp a b",
                        ""));
        all.add(
                quick(
                        "gzip there and back",
                        "for level in 1 6 9; do gzip -$level <text | gunzip | cmp - text || exit 1;"
                                + " done",
                        ""));
    }

    private static void ciphers(List<GuestPrograms> all) throws GeneralSecurityException {
        for (int bits : List.of(128, 192, 256)) {
            String key = KEY_256.substring(0, bits / 4);
            all.add(cipher("aes-" + bits + "-ecb", "AES/ECB/PKCS5Padding", "AES", key, ""));
            all.add(cipher("aes-" + bits + "-cbc", "AES/CBC/PKCS5Padding", "AES", key, IV));
            all.add(cipher("aes-" + bits + "-ctr", "AES/CTR/NoPadding", "AES", key, IV));
        }
        all.add(
                cipher(
                        "des-ede3-cbc",
                        "DESede/CBC/PKCS5Padding",
                        "DESede",
                        KEY,
                        IV.substring(0, 16)));
    }

    private static GuestPrograms cipher(
            String name, String transformation, String algorithm, String key, String iv)
            throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance(transformation);
        SecretKeySpec secret = new SecretKeySpec(HexFormat.of().parseHex(key), algorithm);
        if (iv.isEmpty()) {
            cipher.init(Cipher.ENCRYPT_MODE, secret);
        } else {
            cipher.init(
                    Cipher.ENCRYPT_MODE, secret, new IvParameterSpec(HexFormat.of().parseHex(iv)));
        }
        String options = " -K " + key + (iv.isEmpty() ? "" : " -iv " + iv);
        return quick(
                "openssl " + name,
                "openssl enc -%s%s -in text -out secret && openssl enc -d -%s%s -in secret | cmp - text && sha256sum secret"
                        .formatted(name, options, name, options),
                digest("SHA-256", cipher.doFinal(text())));
    }

    private static void openssl(List<GuestPrograms> all) {
        all.add(
                slow(
                        "openssl: every cipher there and back",
                        "for c in $(openssl list -cipher-commands); do case $c in *wrap*)"
                            + " continue;; esac; for way in -e -d; do [ $way = -e ] && from=text ||"
                            + " from=secret; openssl enc $way -$c -k word -S 0102030405060708"
                            + " -pbkdf2 -iter 10 <$from >out || exit 1; mv out secret; done; cmp"
                            + " secret text || exit 1; done",
                        ""));
        all.add(
                slow(
                        "openssl: RSA",
                        "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out k"
                            + " && openssl pkey -in k -check -noout && openssl pkey -in k -pubout"
                            + " -out p && openssl dgst -sha256 -sign k -out s text && openssl dgst"
                            + " -sha256 -verify p -signature s text && openssl req -x509 -new -key"
                            + " k -subj /CN=x -out c && openssl verify -CAfile c c",
                        "Verified OK"));
        all.add(
                slow(
                        "openssl: elliptic curves",
                        "for c in prime256v1 secp384r1 secp521r1; do openssl ecparam -name $c"
                            + " -genkey -noout -out k && openssl pkey -in k -check -noout &&"
                            + " openssl ec -in k -pubout -out p && openssl dgst -sha256 -sign k"
                            + " -out s text && openssl dgst -sha256 -verify p -signature s text ||"
                            + " exit 1; done; for a in ed25519 ed448; do openssl genpkey -algorithm"
                            + " $a -out k && openssl pkeyutl -sign -inkey k -rawin -in compute.c"
                            + " -out s && openssl pkeyutl -verify -inkey k -rawin -in compute.c"
                            + " -sigfile s || exit 1; done",
                        "Signature Verified Successfully"));
        all.add(
                slow(
                        "openssl speed",
                        "openssl speed -seconds 1 -bytes 1024 md5 sha1 sha256 sha512 aes-128-cbc &&"
                            + " openssl speed -seconds 1 rsa2048 ecdsap256 ecdhx25519 ed25519 &&"
                            + " for c in aes-256-gcm chacha20-poly1305 aes-256-xts"
                            + " camellia-128-cbc; do openssl speed -seconds 1 -bytes 1024 -evp $c"
                            + " || exit 1; done",
                        ""));
    }

    private static void stress(List<GuestPrograms> all) {
        all.add(
                quick(
                        "stress-ng --matrix, quick",
                        "stress-ng --matrix 1 --matrix-size 32 --verify --matrix-ops 20",
                        "successful run completed"));
        all.add(
                quick(
                        "stress-ng --vecmath, quick",
                        "stress-ng --vecmath 1 --verify --vecmath-ops 2",
                        "successful run completed"));
        stress(all, "cpu", "--cpu-method all --cpu-ops 200");
        stress(all, "matrix", "--matrix-method all --matrix-size 64 --matrix-ops 200");
        stress(all, "matrix-3d", "--matrix-3d-method all --matrix-3d-size 16 --matrix-3d-ops 200");
        stress(all, "vecmath", "--vecmath-ops 100");
        stress(all, "vecwide", "--vecwide-ops 100");
        stress(all, "vecfp", "--vecfp-ops 40");
        stress(all, "vecshuf", "--vecshuf-ops 20");
        stress(all, "fp", "--fp-ops 40");
        stress(all, "vm", "--vm-bytes 4M --vm-method all --vm-ops 100000");
    }

    private static void stress(List<GuestPrograms> all, String name, String options) {
        all.add(
                slow(
                        "stress-ng --" + name,
                        "stress-ng --" + name + " 1 --verify " + options,
                        "successful run completed"));
    }

    private static void python(List<GuestPrograms> all) {
        all.add(
                quick(
                        "python3",
                        "python3 -c 'import math, decimal, zlib; decimal.getcontext().prec = 30;"
                                + " print(math.comb(40, 17), decimal.Decimal(2).sqrt(),"
                                + " zlib.crc32(b\"Frond\"))'",
                        "88732378800 1.41421356237309504880168872421 " + crc32("Frond")));
        for (String module :
                List.of("math", "struct", "zlib", "hashlib", "decimal", "float", "cmath")) {
            all.add(
                    slow(
                            "python3 test_" + module,
                            "python3 -m test test_" + module,
                            "Tests result: SUCCESS"));
        }
    }

    private static long crc32(String text) {
        CRC32 crc = new CRC32();
        crc.update(text.getBytes(StandardCharsets.US_ASCII));
        return crc.getValue();
    }

    private static void compiler(List<GuestPrograms> all) {
        // resources/.../programs/compute.c does the same.
        int hash = (int) 2166136261L;
        for (int i = 0; i < 100_000; i++) {
            hash = (hash ^ (i & 255)) * 16777619;
        }
        long product = 0;
        for (int i = 0; i < 64; i++) {
            for (int j = 0; j < 64; j++) {
                product += (long) (i + 2 * j) * (j - i + 7);
            }
        }
        String expected = "%08x %d.0 %d.0".formatted(hash, product, product);
        for (String options :
                List.of(
                        "-O0",
                        "-O2",
                        "-O2 -mavx2",
                        "-O3 -march=x86-64-v3",
                        "-Os -mfpmath=387",
                        "-O2 -flto",
                        "-O1 -fsanitize=undefined")) {
            String command = "gcc " + options + " -Wall -Werror -o compute compute.c && ./compute";
            all.add(
                    options.equals("-O2 -mavx2")
                            ? quick("gcc " + options, command, expected)
                            : slow("gcc " + options, command, expected));
        }
    }

    private static void java(List<GuestPrograms> all) {
        long sum = 0;
        for (int i = 0; i < 300_000; i++) {
            sum += i * 31L ^ (sum >>> 3);
        }
        String expected = "hello " + sum + " " + StrictMath.sqrt(2);
        all.add(slow("java -Xint", "java -Xshare:auto -Xint -cp /tmp Hello", expected));
        for (String options :
                List.of("", "-XX:+UseSerialGC ", "-XX:TieredStopAtLevel=1 ", "-XX:+UseZGC ")) {
            all.add(
                    slow(
                            ("java " + options).strip(),
                            "java " + options + "-cp /tmp Hello",
                            expected));
        }
    }
}

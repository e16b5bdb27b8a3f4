// Copyright 2026 The Frond Authors
// SPDX-License-Identifier: Apache-2.0

package dev.frond.firmware;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What a kernel is started with.
 *
 * @param commandLine without the kernel's name
 * @param modules an initial RAM disk, or Multiboot modules, in order
 */
public record BootArguments(String commandLine, List<Module> modules) {
    /** A file in memory, with arguments of its own where the protocol has a place for them. */
    public record Module(BootFile file, String arguments) {
        public Module {
            checkText("module arguments", arguments);
        }
    }

    /** No command line, no modules. */
    public static final BootArguments NONE = new BootArguments("", List.of());

    public BootArguments {
        checkText("command line", commandLine);
        modules = List.copyOf(modules);
    }

    /**
     * Opens the modules of a list {@code FILE[,FILE]...}, in which two commas stand for one of a
     * name. If {@code withArguments}, a file's name ends at its first space and arguments follow.
     */
    public static List<Module> openModules(String list, boolean withArguments)
            throws BootException {
        List<Module> modules = new ArrayList<>();
        try {
            for (String item : split(list)) {
                int space = withArguments ? item.indexOf(' ') : -1;
                String name = space < 0 ? item : item.substring(0, space);
                String arguments = space < 0 ? "" : item.substring(space + 1);
                if (name.isEmpty()) {
                    throw new BootException("module list '" + list + "': a file name is empty");
                }
                modules.add(new Module(BootFile.open(Path.of(name)), arguments));
            }
            return modules;
        } catch (InvalidPathException e) {
            close(modules);
            throw new BootException("module list '" + list + "': " + e.getReason(), e);
        } catch (BootException e) {
            close(modules);
            throw e;
        }
    }

    private static void close(List<Module> modules) throws BootException {
        for (Module module : modules) {
            module.file().close();
        }
    }

    private static List<String> split(String list) {
        List<String> items = new ArrayList<>();
        StringBuilder item = new StringBuilder();
        for (int i = 0; i < list.length(); i++) {
            char c = list.charAt(i);
            if (c != ',') {
                item.append(c);
            } else if (i + 1 < list.length() && list.charAt(i + 1) == ',') {
                item.append(c);
                i++;
            } else {
                items.add(item.toString());
                item.setLength(0);
            }
        }
        items.add(item.toString());
        return items;
    }

    private static void checkText(String what, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(what + ": holds a zero character");
        }
    }
}

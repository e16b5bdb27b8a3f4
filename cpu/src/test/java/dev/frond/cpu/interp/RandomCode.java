package dev.frond.cpu.interp;
import dev.frond.cpu.decode.Form;
final class RandomCode { static boolean contains(Form f) { return false; } }

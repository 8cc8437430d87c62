package io.patchbay.bpf.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** The sections and symbols of a relocatable ELF file for BPF. Bounds checked: bad input yields an IllegalArgumentException. */
public final class Elf {
    private static final int EM_BPF = 247;
    private static final int SHT_NOBITS = 8;
    private static final int SHT_SYMTAB = 2;
    private static final int SHF_EXECINSTR = 4;
    private static final int STT_OBJECT = 1;
    private static final int STT_FUNC = 2;

    /** A section; {@code size} bytes at {@code offset} of the file, none there when {@code bits} is false. */
    public record Section(int index, String name, int type, boolean executable, int offset, int size, boolean bits, int link) { }

    /** A function or variable: its name, section, place in the section in bytes, and length in bytes. */
    public record Symbol(String name, String section, int offset, int size) { }

    private final ByteBuffer data;
    private final List<Section> sections = new ArrayList<>();
    private final List<Symbol> functions = new ArrayList<>();
    private final List<Symbol> variables = new ArrayList<>();

    private Elf(byte[] bytes) {
        if (bytes.length < 64 || bytes[0] != 0x7f || bytes[1] != 'E' || bytes[2] != 'L' || bytes[3] != 'F') {
            throw new IllegalArgumentException("not an ELF file");
        }
        if (bytes[4] != 2) {
            throw new IllegalArgumentException("not a 64-bit ELF file");
        }
        data = ByteBuffer.wrap(bytes).order(bytes[5] == 2 ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        if (data.order() != ByteOrder.nativeOrder()) {
            throw new IllegalArgumentException("compiled for the other byte order");
        }
        if ((data.getShort(18) & 0xffff) != EM_BPF) {
            throw new IllegalArgumentException("an ELF file for machine " + (data.getShort(18) & 0xffff) + ", not for BPF");
        }
        readSections();
        readSymbols();
    }

    public static Elf parse(byte[] bytes) {
        try {
            return new Elf(bytes);
        } catch (IndexOutOfBoundsException e) {
            throw new IllegalArgumentException("a truncated ELF file", e);
        }
    }

    private int within(long value, String what) {
        if (value < 0 || value > data.capacity()) {
            throw new IllegalArgumentException("ELF " + what + " lies outside the file");
        }
        return (int) value;
    }

    private void readSections() {
        int table = within(data.getLong(40), "section table");
        int entry = data.getShort(58) & 0xffff;
        int count = data.getShort(60) & 0xffff;
        int names = data.getShort(62) & 0xffff;
        if (entry < 64 || table + (long) entry * count > data.capacity() || names >= count) {
            throw new IllegalArgumentException("ELF section table lies outside the file");
        }
        int namesAt = within(data.getLong(table + names * entry + 24), "section names");
        for (int i = 0; i < count; i++) {
            int at = table + i * entry;
            int type = data.getInt(at + 4);
            boolean bits = type != SHT_NOBITS && type != 0;
            int offset = bits ? within(data.getLong(at + 24), "section " + i) : 0;
            long size = data.getLong(at + 32);
            if (size < 0 || size > Integer.MAX_VALUE || bits && offset + size > data.capacity()) {
                throw new IllegalArgumentException("ELF section " + i + " lies outside the file");
            }
            sections.add(new Section(i, string((long) namesAt + (data.getInt(at) & 0xffffffffL)), type, (data.getLong(at + 8) & SHF_EXECINSTR) != 0, offset,
                    (int) size, bits, data.getInt(at + 40)));
        }
    }

    private void readSymbols() {
        for (Section table : sections) {
            if (table.type() != SHT_SYMTAB) {
                continue;
            }
            if (table.link() < 0 || table.link() >= sections.size()) {
                throw new IllegalArgumentException("ELF symbols without names");
            }
            long names = sections.get(table.link()).offset();
            for (int at = table.offset(); at + 24 <= table.offset() + table.size(); at += 24) {
                int section = data.getShort(at + 6) & 0xffff;
                int kind = data.get(at + 4) & 0xf;
                if ((kind == STT_FUNC || kind == STT_OBJECT) && section > 0 && section < sections.size()) {
                    long offset = data.getLong(at + 8);
                    long size = data.getLong(at + 16);
                    if (offset < 0 || size < 0 || offset + size < 0 || offset + size > sections.get(section).size()) {
                        throw new IllegalArgumentException("ELF symbol lies outside section " + sections.get(section).name());
                    }
                    (kind == STT_FUNC ? functions : variables).add(new Symbol(string(names + (data.getInt(at) & 0xffffffffL)), sections.get(section).name(),
                            (int) offset, (int) size));
                }
            }
        }
    }

    private String string(long offset) {
        int start = within(offset, "name");
        int end = start;
        while (data.get(end) != 0) {
            end++;
        }
        return new String(data.array(), start, end - start, StandardCharsets.UTF_8);
    }

    public Optional<Section> section(String name) {
        return sections.stream().filter(section -> section.name().equals(name)).findFirst();
    }

    public List<Section> sections() {
        return sections;
    }

    /** Functions of executable sections, in the order of the symbol table. */
    public List<Symbol> functions() {
        return functions;
    }

    public Optional<Symbol> variable(String section, String name) {
        return variables.stream().filter(symbol -> symbol.section().equals(section) && symbol.name().equals(name)).findFirst();
    }

    public boolean isExecutable(String section) {
        return section(section).map(Section::executable).orElse(false);
    }

    public byte[] bytes(Section section) {
        return section.bits() ? Arrays.copyOfRange(data.array(), section.offset(), section.offset() + section.size()) : new byte[section.size()];
    }
}

package io.patchbay.datapath.internal;

import io.patchbay.api.datapath.DatapathException;
import io.patchbay.api.datapath.Hook;
import io.patchbay.api.datapath.Stage;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The stages of one generation in their places: packed densely per hook, each with its successor. Pure: from stages to
 * indexes.
 *
 * @param placed all stages; those of socket hooks have index -1
 * @param entry  hook to the stage that the preamble enters
 */
record Plan(List<Placed> placed, Map<Hook, Placed> entry) {
    /** Capacity of {@code pb_chain}; the last slot is never filled, so that a jump there is a counted hole. */
    static final int CHAIN = 128;
    static final int NOWHERE = CHAIN - 1;
    /** The kernel allows 33 tail calls a packet; this leaves room for a preamble and for what a later contract adds. */
    static final int LONGEST = 24;
    /** Parse has this order at every hook, and nothing comes before it. */
    static final int PARSE = 100;
    /** A packet that comes from another hook of the same pass is parsed already and enters pod-ingress here. */
    static final int PARSED = 200;
    static final int END = 65535;

    /** A stage and whose it is. */
    record Owned(String feature, Stage stage) {
        @Override
        public String toString() {
            return "feature " + feature + ", object " + stage.object() + ", program " + stage.program();
        }
    }

    /** A stage with what the loader tells it: {@code struct pb_stage_cfg}. */
    record Placed(String feature, Stage stage, int index, int next, int podIngress, boolean last) {
    }

    static Plan of(List<Owned> stages) {
        Map<Hook, List<Owned>> byHook = new EnumMap<>(Hook.class);
        Map<String, Owned> programs = new HashMap<>();
        for (Owned o : stages) {
            Owned twice = programs.put(o.feature() + "/" + o.stage().object() + "/" + o.stage().program(), o);
            if (twice != null) {
                throw new DatapathException(o + " is listed for " + twice.stage().hook().text() + " and for " + o.stage().hook().text()
                        + ": a program has one place; instantiate PB_STAGE once for each hook");
            }
            byHook.computeIfAbsent(o.stage().hook(), h -> new ArrayList<>()).add(o);
        }
        byHook.forEach(Plan::check);
        List<Owned> ingress = byHook.getOrDefault(Hook.POD_INGRESS, List.of());
        int parsed = (int) ingress.stream().filter(o -> o.stage().order() >= PARSED).count();
        List<Placed> placed = new ArrayList<>();
        Map<Hook, Placed> entry = new EnumMap<>(Hook.class);
        Map<Hook, Integer> first = new EnumMap<>(Hook.class);
        int index = 0;
        for (Map.Entry<Hook, List<Owned>> e : byHook.entrySet()) {
            if (!e.getKey().isSocket()) {
                first.put(e.getKey(), index);
                index += e.getValue().size();
                length(e.getKey(), e.getValue(), ingress, parsed);
            }
        }
        if (index > NOWHERE) {
            throw new DatapathException("the generation has " + index + " stages; a chain holds " + NOWHERE);
        }
        int podIngress = parsed == 0 ? NOWHERE : first.get(Hook.POD_INGRESS) + ingress.size() - parsed;
        byHook.forEach((hook, list) -> {
            for (int i = 0; i < list.size(); i++) {
                Owned o = list.get(i);
                boolean last = i == list.size() - 1;
                int at = hook.isSocket() ? -1 : first.get(hook) + i;
                Placed p = new Placed(o.feature(), o.stage(), at, last || hook.isSocket() ? NOWHERE : at + 1,
                        hook == Hook.POD_INGRESS ? NOWHERE : podIngress, last);
                placed.add(p);
                if (i == 0) {
                    entry.put(hook, p);
                }
            }
        });
        return new Plan(List.copyOf(placed), entry);
    }

    private static void check(Hook hook, List<Owned> list) {
        list.sort(Comparator.comparingInt(o -> o.stage().order()));
        for (int i = 0; i < list.size(); i++) {
            Owned o = list.get(i);
            if (i > 0 && (hook.isSocket() || list.get(i - 1).stage().order() == o.stage().order())) {
                throw new DatapathException(hook.isSocket()
                        ? "hook " + hook.text() + " takes one program, and two claim it: " + list.get(i - 1) + "; " + o
                        : "hook " + hook.text() + ", order " + o.stage().order() + " is claimed twice: " + list.get(i - 1) + "; " + o);
            }
            if (!hook.isSocket() && (o.stage().order() < PARSE || o.stage().order() > END)) {
                throw new DatapathException(o + " has order " + o.stage().order() + " at " + hook.text() + ": orders go from " + (PARSE + 1)
                        + ", behind parse, to " + (END - 1));
            }
        }
    }

    private static void length(Hook hook, List<Owned> own, List<Owned> ingress, int parsed) {
        int through = hook == Hook.POD_INGRESS ? ingress.size() : own.size() + parsed;
        if (through > LONGEST) {
            throw new DatapathException("the path from " + hook.text() + (hook == Hook.POD_INGRESS ? "" : " through pod-ingress") + " has " + through
                    + " stages; at most " + LONGEST + " are allowed (the kernel ends a packet's tail calls at 33)");
        }
    }

    Optional<Placed> find(String feature, String object, String program) {
        return placed.stream().filter(p -> p.feature().equals(feature) && p.stage().object().equals(object) && p.stage().program().equals(program)).findFirst();
    }
}

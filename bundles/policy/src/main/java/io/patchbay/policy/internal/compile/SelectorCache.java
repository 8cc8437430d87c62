package io.patchbay.policy.internal.compile;

import io.patchbay.api.labels.IdentityLabels;
import io.patchbay.api.labels.Label;
import io.patchbay.api.labels.LabelSelector.Operator;
import io.patchbay.api.labels.LabelSelector.Requirement;
import io.patchbay.api.net.Prefix;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;

/**
 * Which members (identities, peer classes) each selector selects, kept up to date as either come and go. Indexed both ways: members by label and
 * prefix, so that a new selector looks at few members; selectors by one requirement of theirs, so that a new member looks at few selectors.
 * Not thread-safe.
 */
final class SelectorCache {
    /** A selector's present selection. */
    static final class Selection {
        final PeerSelector selector;
        /** Numbers for entries that name the peer. */
        final IntSet members = new IntSet();
        /** Peer classes that named ports of egress rules look at. */
        final IntSet named = new IntSet();
        private int users;
        private final List<String> anchors;

        private Selection(PeerSelector selector, List<String> anchors) {
            this.selector = selector;
            this.anchors = anchors;
        }
    }

    private final Map<Integer, PeerMember> members = new HashMap<>();
    private final Map<String, IntSet> byLabel = new HashMap<>();
    private final NavigableMap<Prefix, IntSet> byPrefix = new TreeMap<>();
    private final Map<PeerSelector, Selection> selections = new HashMap<>();
    private final Map<String, Set<Selection>> labelSelectors = new HashMap<>();
    private final Set<Selection> unanchored = new LinkedHashSet<>();
    private final Map<Prefix, Set<Selection>> prefixSelectors = new HashMap<>();

    PeerMember member(int number) {
        return members.get(number);
    }

    Collection<PeerMember> members() {
        return Collections.unmodifiableCollection(members.values());
    }

    int selectors() {
        return selections.size();
    }

    /** The selection of a selector, computed if it is new. Balanced by {@link #release}. */
    Selection acquire(PeerSelector selector) {
        Selection selection = selections.get(selector);
        if (selection == null) {
            selection = new Selection(selector, anchors(selector));
            selections.put(selector, selection);
            register(selection);
            fill(selection);
        }
        selection.users++;
        return selection;
    }

    void release(Selection selection) {
        if (--selection.users > 0) return;
        selections.remove(selection.selector);
        if (selection.selector instanceof PeerSelector.ByPrefix p) {
            Set<Selection> set = prefixSelectors.get(p.cidr());
            set.remove(selection);
            if (set.isEmpty()) prefixSelectors.remove(p.cidr());
        } else if (selection.anchors.isEmpty()) {
            unanchored.remove(selection);
        } else {
            for (String anchor : selection.anchors) {
                Set<Selection> set = labelSelectors.get(anchor);
                set.remove(selection);
                if (set.isEmpty()) labelSelectors.remove(anchor);
            }
        }
    }

    /**
     * Adds a member whose number is not in use.
     *
     * @return the selections it came into
     */
    List<Selection> add(PeerMember member) {
        if (members.putIfAbsent(member.number(), member) != null) throw new IllegalArgumentException("peer " + member.number() + " is there already");
        for (String posting : postings(member)) byLabel.computeIfAbsent(posting, k -> new IntSet()).add(member.number());
        for (Prefix prefix : prefixes(member)) byPrefix.computeIfAbsent(prefix, k -> new IntSet()).add(member.number());
        List<Selection> selected = new ArrayList<>();
        for (Selection candidate : candidates(member)) if (take(candidate, member)) selected.add(candidate);
        return selected;
    }

    /**
     * Removes a member.
     *
     * @return the selections it was in
     */
    List<Selection> remove(int number) {
        PeerMember member = members.remove(number);
        if (member == null) return List.of();
        for (String posting : postings(member)) {
            IntSet set = byLabel.get(posting);
            set.remove(number);
            if (set.size() == 0) byLabel.remove(posting);
        }
        for (Prefix prefix : prefixes(member)) {
            IntSet set = byPrefix.get(prefix);
            set.remove(number);
            if (set.size() == 0) byPrefix.remove(prefix);
        }
        List<Selection> left = new ArrayList<>();
        for (Selection candidate : candidates(member)) {
            boolean was = candidate.members.remove(number);
            was |= candidate.named.remove(number);
            if (was) left.add(candidate);
        }
        return left;
    }

    private static boolean take(Selection selection, PeerMember member) {
        boolean taken = false;
        if (selection.selector.selects(member)) taken = selection.members.add(member.number());
        if (selection.selector.selectsForNamedPort(member)) taken |= selection.named.add(member.number());
        return taken;
    }

    private Set<Selection> candidates(PeerMember member) {
        Set<Selection> candidates = new HashSet<>(unanchored);
        for (String posting : postings(member)) candidates.addAll(labelSelectors.getOrDefault(posting, Set.of()));
        for (Prefix prefix : prefixes(member)) {
            for (int length = prefix.length(); length >= 0; length--) {
                candidates.addAll(prefixSelectors.getOrDefault(new Prefix(prefix.address(), length), Set.of()));
            }
        }
        return candidates;
    }

    private void register(Selection selection) {
        if (selection.selector instanceof PeerSelector.ByPrefix p) {
            prefixSelectors.computeIfAbsent(p.cidr(), k -> new LinkedHashSet<>()).add(selection);
        } else if (selection.anchors.isEmpty()) {
            unanchored.add(selection);
        } else {
            for (String anchor : selection.anchors) labelSelectors.computeIfAbsent(anchor, k -> new LinkedHashSet<>()).add(selection);
        }
    }

    private void fill(Selection selection) {
        if (selection.selector instanceof PeerSelector.ByPrefix p) {
            // Contained prefixes are neighbours in the order, address first, then length; but IPv4, being mapped, lies amid IPv6.
            for (Map.Entry<Prefix, IntSet> e : byPrefix.tailMap(p.cidr(), true).entrySet()) {
                if (e.getKey().address().isV4() != p.cidr().address().isV4()) continue;
                if (!p.cidr().contains(e.getKey())) break;
                e.getValue().forEach(number -> take(selection, members.get(number)));
            }
        } else if (selection.anchors.isEmpty()) {
            for (PeerMember member : members.values()) take(selection, member);
        } else {
            IntSet smallest = null;
            for (Requirement r : ((PeerSelector.ByLabels) selection.selector).selector().requirements()) {
                IntSet some = postingsOf(r);
                if (some != null && (smallest == null || some.size() < smallest.size())) smallest = some;
            }
            smallest.forEach(number -> take(selection, members.get(number)));
        }
    }

    /** The members that can fulfil a requirement; null if it can't be told from the postings. */
    private IntSet postingsOf(Requirement r) {
        if (r.operator() == Operator.EXISTS) return byLabel.getOrDefault(r.key(), new IntSet());
        if (r.operator() != Operator.IN) return null;
        if (r.values().size() == 1) return byLabel.getOrDefault(posting(r.key(), r.values().iterator().next()), new IntSet());
        IntSet union = new IntSet();
        for (String value : r.values()) byLabel.getOrDefault(posting(r.key(), value), new IntSet()).forEach(union::add);
        return union;
    }

    /** What a member must have among its postings to be selected: a value of one requirement; empty if there is no such requirement. */
    private static List<String> anchors(PeerSelector selector) {
        if (!(selector instanceof PeerSelector.ByLabels labels)) return List.of();
        Requirement best = null;
        int bestRank = 0;
        for (Requirement r : labels.selector().requirements()) {
            boolean wide = r.key().equals(IdentityLabels.CLUSTER);
            boolean namespace = r.key().equals(IdentityLabels.NAMESPACE);
            int rank = r.operator() == Operator.IN ? (wide ? 2 : namespace ? 4 : 5) : r.operator() == Operator.EXISTS ? (namespace ? 1 : 3) : 0;
            if (rank > bestRank) {
                best = r;
                bestRank = rank;
            }
        }
        if (best == null) return List.of();
        if (best.operator() == Operator.EXISTS) return List.of(best.key());
        String key = best.key();
        return best.values().stream().map(value -> posting(key, value)).toList();
    }

    /** Sources are left out: requirements of source "any" need that, and the selector itself is asked in the end. */
    private static List<String> postings(PeerMember member) {
        List<String> all = new ArrayList<>(2 * member.labels().size());
        for (Label label : member.labels()) {
            all.add(label.key());
            all.add(posting(label.key(), label.value()));
        }
        return all;
    }

    private static String posting(String key, String value) {
        return key + '=' + value;
    }

    private static List<Prefix> prefixes(PeerMember member) {
        if (member.cidr().isPresent()) return List.of(member.cidr().get());
        return member.block().isPresent() ? List.of(member.block().get()) : List.of();
    }
}

package io.patchbay.assembler;

import aQute.bnd.osgi.resource.CapReqBuilder;
import aQute.bnd.osgi.resource.ResourceUtils;
import jakarta.json.JsonString;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.osgi.resource.Capability;
import org.osgi.resource.Requirement;
import org.osgi.resource.Resource;

/**
 * The closure of a set of requirements over the candidates: everything mandatory that a chosen bundle requires, packages,
 * capabilities, services ({@code effective:=active}) and other features alike, in an order in which each comes after what it needs.
 * Simpler than a resolver: one version of each bundle among the candidates, so that there is nothing to weigh; Felix resolves the
 * result once more before it is written.
 */
final class Resolution {
    private final Collection<Candidate> candidates;
    private final List<Capability> platform;
    private final Map<Resource, Candidate> chosen = new LinkedHashMap<>();
    private final Set<Resource> visiting = new LinkedHashSet<>();
    private final List<String> missing = new ArrayList<>();

    /** @param platform what the framework and the launcher's class path provide */
    Resolution(Collection<Candidate> candidates, List<Capability> platform) {
        this.candidates = candidates.stream().sorted(Comparator.comparing(Candidate::name).thenComparing(Candidate::version, Comparator.reverseOrder())).toList();
        this.platform = platform;
    }

    /** Adds what satisfies the requirement. @param by who requires it, for the message */
    void require(Requirement requirement, String by) {
        if (platform.stream().anyMatch(c -> ResourceUtils.matches(requirement, c))) {
            return;
        }
        if (chosen.keySet().stream().anyMatch(r -> provides(r, requirement)) || visiting.stream().anyMatch(r -> provides(r, requirement))) {
            return;
        }
        for (Candidate c : candidates) {
            if (provides(c.resource(), requirement)) {
                add(c);
                return;
            }
        }
        missing.add(by + " requires " + text(requirement) + ", which no bundle provides");
    }

    private void add(Candidate c) {
        visiting.add(c.resource());
        for (Requirement r : c.resource().getRequirements(null)) {
            boolean optional = "optional".equals(r.getDirectives().get("resolution"));
            // A fragment's host and an execution environment are the framework's business; Felix checks them below.
            if (!optional && !r.getNamespace().equals("osgi.ee") && !r.getNamespace().equals("osgi.native")) {
                require(r, c.featureName() == null ? c.name() : "feature " + c.featureName());
            }
        }
        // What its descriptor requires at run time; features/NAME.bnd adds what only the packaging knows of.
        if (c.feature() != null && c.feature().containsKey("requires")) {
            for (JsonString f : c.feature().getJsonArray("requires").getValuesAs(JsonString.class)) {
                require(new CapReqBuilder("patchbay.feature").addDirective("filter", "(patchbay.feature=" + f.getString() + ")").buildSyntheticRequirement(),
                        "feature " + c.featureName());
            }
        }
        visiting.remove(c.resource());
        chosen.put(c.resource(), c);
    }

    private static boolean provides(Resource resource, Requirement requirement) {
        return resource.getCapabilities(requirement.getNamespace()).stream().anyMatch(c -> ResourceUtils.matches(requirement, c));
    }

    private static String text(Requirement r) {
        String filter = r.getDirectives().getOrDefault("filter", "");
        return r.getNamespace() + (filter.isEmpty() ? "" : " " + filter);
    }

    List<Candidate> chosen() {
        return List.copyOf(chosen.values());
    }

    List<String> missing() {
        return missing;
    }
}

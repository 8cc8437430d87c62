package io.patchbay.api.status;

import java.util.List;
import org.osgi.annotation.versioning.ConsumerType;

/** Gives rows to {@code status}; a service. Called on the command's thread; must answer within 200 ms from what it knows. */
@ConsumerType
public interface StatusSource {
    List<StatusRow> rows(boolean verbose);
}

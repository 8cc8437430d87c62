package io.patchbay.servicelb.internal;

/**
 * A backend as one set of a service has it.
 *
 * @param eligible gets new connections
 */
record Member(BackendAddress backend, BackendState state, boolean eligible) {
}

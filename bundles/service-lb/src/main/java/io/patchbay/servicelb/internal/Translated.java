package io.patchbay.servicelb.internal;

/**
 * What became of a socket's call: it asked for a service and is connected to a backend.
 *
 * @param asked address and port that the process named; its scope says nothing
 */
record Translated(Frontend asked, BackendAddress backend) {
}

/** Derives other versions of a feature from its jar and its C source. */
package io.patchbay.itests.variants;

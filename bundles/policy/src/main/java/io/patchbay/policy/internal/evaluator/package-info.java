/**
 * The policy model as one reads it in the reference: slow, obvious, and independent of the compiler, which it is tested against. Shares only
 * records with it, none of the code that decides.
 */
package io.patchbay.policy.internal.evaluator;

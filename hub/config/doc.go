// Package config turns what an operator wrote (files, environment, flags) into
// one typed Config, or into the complete list of what is wrong with it.
//
// A load has the same steps every time and shares nothing with the load before:
//
//  1. read every file and its includes, remembering the place of each value;
//  2. hold every layer against the schema made from the Go types;
//  3. merge: defaults, files in order, HUB_CFG_ environment, flags;
//  4. replace ${env:NAME} and ${file:PATH} references;
//  5. decode, then check what a schema cannot say.
//
// A value found faulty in one step is left out of the next, so that one
// mistake is reported once and does not hide another.
//
// No fault, warning, print or difference ever shows the value of a secret.
package config

// Package source asks others for figures that requests cannot show: a Prometheus server, a web hook, a command. An answer
// is a number or no data. An error and a timeout are neither: they are unknown and say why, never a pass and never a fail.
//
// Check asks every source once, when a deploy begins. Watch asks them at their intervals while a step lasts and counts
// how often in a row a bound was broken. What follows from that is decided elsewhere.
package source

// Package judge says what becomes of a canary: it feeds what the proxies count to the analysis, takes in what outside
// sources say, and turns both into the verdict that the rollout's gates ask for, with the figures and in words.
//
// [Begin] makes the judge of a rollout, [Judge.See] takes what was counted, [Judge.Verdict] answers. A Judge is a value: it
// is stored with the rollout and goes on from there bit for bit. There is no clock, goroutine, input or output in here, so
// that a simulated rollout is judged by the very same code.
package judge

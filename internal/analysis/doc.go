// Package analysis judges a canary by its own requests and those of the stable revision beside it.
//
// One primitive serves everywhere: an e-value for a short block of traffic, spread over a portfolio of bets and cash. An
// e-value is a number that is at most 1 on average when the canary does no harm; multiplied block by block, the wealth of
// such a bet exceeds 1/alpha at any time with a probability of at most alpha (Ville 1939). So the judge may look at every
// tick and stop at any of them, and the promised rate of false rollbacks holds.
//
// The front door is [Analysis]: [New] at the beginning of a rollout, [Analysis.Enter] for every step, [Analysis.Add] for
// every tick, [Analysis.Guilty] and [Analysis.Findings] for what can be said. It is a value: written as JSON and read
// again it goes on bit for bit. There is no clock, no goroutine and no input or output in here.
package analysis

// Package simulate carries out a whole rollout in virtual time: the real core decides it, the real judge looks at it, and
// only the world is make-believe: instances that start after a while, one proxy that follows at once, and users who come
// at random.
//
// The front door is [Scenario]: what the service and its users are like and what is wrong with the new version. [Run]
// plays it once, [Runs] many times with different luck, and [Summarise] says how it went. The same scenario and the same
// seed give the same result. There is no clock, input or output in here.
package simulate

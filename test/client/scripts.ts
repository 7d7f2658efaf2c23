/** For bash: says "ready", then waits for a SIGUSR1. A loop, because `wait` would sleep on if the signal came before it. */
export const untilSignalled = `trap go=1 USR1; echo ready; until [ "$go" ]; do sleep 0.05; done`;

// The paths below which the agent serves its web console, if it does.

export const CONSOLE_PATH = "/console/";
export const SESSION_PATH = "/console/session";
export const CODE_PATH = "/console/code";

export { type ControlOptions, createControl } from "./control.ts";

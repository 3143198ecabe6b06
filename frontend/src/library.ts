// The engine as a module, for programs and for the tests that compare it with the command.

export { verdictOf } from "./engine";
export { ready } from "./proof/digest";

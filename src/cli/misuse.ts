// A command line that cannot be meant. Runs in the CLI.

export class Misuse extends Error {}

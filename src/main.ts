/**
 * main — the only entry point: runs one command of cli/ and exits with its code.
 *
 * The function handed down is for the second Ctrl-C, which ends the process at once.
 * A user's mistake is one line on stderr and exit code 1; a bug shows its stack and exits with 70.
 */
import { runCommandLine } from './cli/command-line.ts';

// Whoever reads our output may stop (`volley … | head`): that is no reason to stop sending.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

process.exitCode = await runCommandLine(process.argv.slice(2), (code) => process.exit(code));

/**
 * bounce/rules — all rules that Volley ships, in the order in which they are tried: what one
 * provider says before what many hosts say, the specific before the general.
 */
import { QQ_RULES } from './qq.ts';
import { NETEASE_RULES } from './netease.ts';
import { GENERAL_RULES } from './general.ts';
import type { Rule } from './rule.ts';

export const BUILTIN_RULES: readonly Rule[] = [...QQ_RULES, ...NETEASE_RULES, ...GENERAL_RULES];

/**
 * bounce/rules — all rules that Volley ships, in the order in which they are tried.
 *
 * What is said of us by words that could mean a recipient comes first. What one provider says comes
 * before what many hosts say. Among the general rules those about the
 * sender come first: a reply that names a block list and a recipient is about the list; suppressing
 * a recipient wrongly is the dearer mistake.
 */
import { ABOUT_US_RULES, OUR_ACCOUNT_RULES } from './about-us.ts';
import { APPLE_RULES } from './apple.ts';
import { ASIA_RULES } from './asia.ts';
import { EUROPE_RULES } from './europe.ts';
import { GATEWAY_RULES } from './gateways.ts';
import { GMAIL_RULES } from './gmail.ts';
import { CONTENT_RULES, PROTOCOL_RULES, SIZE_RULES } from './message.ts';
import { MICROSOFT_RULES } from './microsoft.ts';
import { NETEASE_RULES } from './netease.ts';
import { PATH_RULES, POLICY_RULES, SYSTEM_RULES } from './path.ts';
import { QQ_RULES } from './qq.ts';
import {
  DOMAIN_RULES,
  FULL_RULES,
  INACTIVE_RULES,
  MAILBOX_RULES,
  REFUSED_RULES,
} from './recipient.ts';
import type { Rule } from './rule.ts';
import { GREYLIST_RULES, REPUTATION_RULES, SENDER_RULES } from './sender.ts';
import { YAHOO_RULES } from './yahoo.ts';

export const BUILTIN_RULES: readonly Rule[] = [
  ...OUR_ACCOUNT_RULES,
  ...QQ_RULES,
  ...NETEASE_RULES,
  ...GMAIL_RULES,
  ...MICROSOFT_RULES,
  ...YAHOO_RULES,
  ...APPLE_RULES,
  ...ASIA_RULES,
  ...EUROPE_RULES,
  ...GATEWAY_RULES,
  ...ABOUT_US_RULES,
  ...GREYLIST_RULES,
  ...SENDER_RULES,
  ...SIZE_RULES,
  ...FULL_RULES,
  ...REFUSED_RULES,
  ...INACTIVE_RULES,
  ...CONTENT_RULES,
  ...DOMAIN_RULES,
  ...MAILBOX_RULES,
  ...REPUTATION_RULES,
  ...PATH_RULES,
  ...SYSTEM_RULES,
  ...PROTOCOL_RULES,
  ...POLICY_RULES,
];

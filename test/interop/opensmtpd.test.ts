import { describeReceiver } from './features.ts';
import { opensmtpd } from './receivers/opensmtpd.ts';

describeReceiver(opensmtpd);

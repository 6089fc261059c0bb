import { describeReceiver } from './features.ts';
import { sendmail } from './receivers/sendmail.ts';

describeReceiver(sendmail);

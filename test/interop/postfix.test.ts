import { describeReceiver } from './features.ts';
import { postfix } from './receivers/postfix.ts';

describeReceiver(postfix);

import { describeReceiver } from './features.ts';
import { exim } from './receivers/exim.ts';

describeReceiver(exim);

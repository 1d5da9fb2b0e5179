package peer;

import java.util.List;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** The command line that all peers share. */
record Arguments(String broker, String topic, String group, String sinks, String geo, long records) {
    static Arguments parse(String[] args) {
        List<String> names = List.of("-broker", "-topic", "-group", "-sinks", "-geo", "-records");
        String[] values = new String[names.size()];
        values[5] = "0";
        for (int i = 0; i + 1 < args.length; i += 2) {
            int at = names.indexOf(args[i]);
            if (at < 0) {
                throw new IllegalArgumentException("unknown option " + args[i]);
            }
            values[at] = args[i + 1];
        }
        for (int at = 0; at < names.size(); at++) {
            if (values[at] == null) {
                throw new IllegalArgumentException("option missing: " + names.get(at));
            }
        }
        return new Arguments(values[0], values[1], values[2], values[3], values[4], Long.parseLong(values[5]));
    }

    /** How many records to route: as many as were asked for, else those that the topic holds now. */
    long todo(KafkaConsumer<byte[], byte[]> consumer) {
        return records > 0 ? records : Source.available(consumer, topic);
    }
}

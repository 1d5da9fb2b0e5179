package peer;

import java.util.List;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/** What the source holds. */
final class Source {
    private Source() {}

    /** How many records the topic holds. */
    static long available(KafkaConsumer<byte[], byte[]> consumer, String topic) {
        List<TopicPartition> all =
                consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
        return consumer.endOffsets(all).values().stream().mapToLong(Long::longValue).sum();
    }
}

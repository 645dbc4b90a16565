// Inside of KafkaSource, shared by kafka_source.cpp (messages), kafka_turns.cpp (whose messages come next),
// kafka_rebalance.cpp (assignment, topic ids), kafka_progress.cpp (nothing comes) and kafka_commit.cpp (offsets). Everything is for the polling thread except what `mutex` guards.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ingest/kafka_client.hpp"
#include "ingest/kafka_ends.hpp"
#include "ingest/kafka_source.hpp"
#include "ingest/kafka_topics.hpp"
#include "ingest/offset_ledger.hpp"

namespace tidewaiter::ingest {

struct KafkaSource::State {
  /// A partition that is assigned to us now.
  struct Partition {
    const Origin* origin = nullptr;
    QueuePtr queue;                      // its messages alone
    std::int64_t time_ms = INT64_MIN;    // Kafka's time of the last one that came
    std::uint64_t turn = 0;              // when it last gave
    std::size_t at_once = 0;             // how many to take in a turn: few when they are large; 0 = not known yet
    std::uint64_t next_offset = 0;       // the next one we expect
    std::uint64_t confirmed_offset = 0;  // next_offset when the topic id was last seen unchanged
    std::uint64_t asked_offset = 0;      // next_offset when the question under way was sent
    std::uint64_t skipped = 0;           // offsets without a message since the last sentence about them
    std::int64_t skip_said_ns = 0;
    // At an assignment the messages from the last offset committed to what is stored are looked at again and dropped:
    // the first one shows by its leader epoch whether the log still is the one we have read.
    std::uint64_t look_from = 0, look_until = 0;
    std::int32_t look_epoch = -1;
    // When it was assigned to us or sought anew, or last gave a message or the news that there is none, and up to where.
    std::int64_t moved_ns = 0;
    std::uint64_t reached = 0;
    int tries = 0;                       // at getting it to give anything beyond `stalled_at`
    std::uint64_t stalled_at = 0;
    bool at_end = false;
    bool anywhere = false;               // starts at the end of the log: the first message is no gap
    bool backwards_allowed = false;      // the topic is the same: a smaller offset is a redelivery
  };
  using Name = std::pair<std::string, std::int32_t>;
  using Unconfirmed = std::map<Name, std::pair<std::uint64_t, std::uint64_t>>;  // offsets read since the last answer

  State(KafkaSourceOptions options, const Clock& clock);
  ~State();

  // kafka_source.cpp
  void take(rd_kafka_message_t* message);
  void moved(Partition& partition, const rd_kafka_message_t* message, std::int64_t offset);
  bool append(rd_kafka_message_t* message, Partition& partition);
  void note_gap(Partition& partition, std::uint32_t number, std::uint64_t found);
  void note_skip(Partition& partition, std::uint32_t number, std::uint64_t found);
  void drop_held();
  void drop_held_of(const std::string& topic, std::int32_t number = RD_KAFKA_PARTITION_UA);
  void publish_partitions();
  void on_error(rd_kafka_resp_err_t error, const char* text);
  void set_state(SourceState state, std::string reason);
  void accepted();
  void apply_pause();
  std::unique_ptr<Batch> hand_over();

  // kafka_turns.cpp
  void give_own_queue(const Name& name, Partition& partition);
  void consume(int timeout_ms);
  bool fetch(rd_kafka_queue_t* from, std::size_t most);
  bool fetch_next();
  Partition* next_partition();
  Partition* choose() const;
  void look_who_waits();
  bool has_more(const Name& name, const Partition& partition) const;
  void wake_by(rd_kafka_queue_t* source);
  void wait_for_messages(int timeout_ms);

  // kafka_rebalance.cpp
  void on_rebalance(rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t* list);
  void assign(rd_kafka_topic_partition_list_t* list);
  void revoke(const rd_kafka_topic_partition_list_t* list);
  void unassign(rd_kafka_topic_partition_list_t* list);
  bool learn_topics(const rd_kafka_topic_partition_list_t* list);
  PartitionListPtr committed_of(const rd_kafka_topic_partition_list_t* list);
  void enter(rd_kafka_topic_partition_t& entry, const rd_kafka_topic_partition_t* committed);
  std::optional<std::uint64_t> start_of(const Origin& origin, std::uint32_t number,
                                        const rd_kafka_topic_partition_t* committed);
  bool holds_older_partition(const Origin& origin, std::uint32_t number) const;
  bool looked_at(rd_kafka_message_t* message, Partition& partition);
  void log_diverged(const rd_kafka_message_t* message, Partition& partition);
  bool is_own(const Origin& origin, const rd_kafka_topic_partition_t& committed) const;
  void check_topics();
  void on_topic_answers(const std::vector<TopicAnswer>& answers);
  void set_state_reason(const Error& error);
  void enter_anew(const std::string& topic, const std::vector<Lane>& lanes);
  void tell_topic_changed(const std::string& topic, const TopicId& before, const TopicId& id,
                          const Unconfirmed& unconfirmed);
  void topic_made_anew(const std::string& topic, const TopicId& id);
  bool is_same_topic(const std::string& topic, std::int32_t number, std::uint64_t offset);
  bool seek(rd_kafka_topic_partition_list_t* list);
  void read_again();
  std::vector<std::string> assigned_topics() const;

  // kafka_progress.cpp
  void rejoin_if_needed();
  void watch_progress();
  void bootstrap_if_lost();
  std::int64_t patience_ns(int tries) const;
  void join_unassigned();
  void ask_for_ends(std::int64_t now_ns);
  void judge_ends(const std::vector<EndWatch::End>& ends, std::int64_t now_ns);

  // kafka_commit.cpp
  void commit_offsets();
  void commit_offsets_now(int timeout_ms);
  void on_commit_answer(rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t* list);
  PartitionListPtr commit_list(const std::vector<LaneOffset>& offsets);
  std::vector<LaneOffset> next_commit(std::int64_t now_ns);
  void wait_until_settled(const std::vector<Lane>& lanes);

  const KafkaSourceOptions options;
  const Clock& clock;
  ClientPtr client;
  QueuePtr queue;
  std::unique_ptr<TopicWatch> watch;
  std::unique_ptr<EndWatch> end_watch;
  std::string cluster;

  BatchBuilder builder;
  std::deque<std::unique_ptr<Batch>> pending;  // cut out of turn; handed over before anything else
  std::vector<rd_kafka_message_t*> held;     // consumed from librdkafka, not appended yet
  std::size_t held_at = 0;
  std::vector<Partition*> waiting;            // those with messages in their queue when it was last looked
  std::int64_t awaited_ms = INT64_MAX;        // the earliest that a partition of which messages are on their way has come
  std::uint64_t turn = 0, looked_at_turn = 0;
  std::vector<Header> headers;
  std::int64_t receive_ns = 0;
  std::map<Name, Partition> partitions;
  std::int64_t unassigned_since_ns = 0;      // after a revoke, until the next assignment; 0 = assigned, or not yet
  int unassigned_tries = 0;
  bool brokers_lost = false;                 // no answer from any of them since it was last seen
  std::int64_t bootstrapped_ns = 0;
  int bootstrap_tries = 0;
  std::set<Name> refused;                    // partitions that we may not read, until something comes from them
  std::int64_t ends_asked_ns = 0;
  std::map<Name, std::pair<std::uint64_t, int>> stalled;  // what it had reached, and the tries
  Partition* last_partition = nullptr;       // of the last message, with its name
  const rd_kafka_topic_t* last_topic = nullptr;
  std::int32_t last_number = -1;
  std::map<std::string, TopicId> topic_ids;
  std::int64_t last_topic_check_ns = 0, last_commit_ns = 0, last_publish_ns = 0, rejoin_at_ns = 0;
  Unconfirmed given_back_unconfirmed;
  std::map<const Origin*, std::string> sent_metadata;
  std::set<std::string> missing_topics;      // the brokers say that they are not there
  bool closing = false, fenced = false, is_paused = false, refused_connection = false;

  std::atomic<bool> pause_wanted{false};

  std::mutex arrival_mutex;
  std::condition_variable arrival;
  bool arrived = false;                // guarded by arrival_mutex: something came into an empty queue

  mutable std::mutex mutex;
  std::condition_variable settled;
  OffsetLedger ledger;                 // guarded
  std::multiset<Lane> writing;         // guarded: claimed, the store commit has not ended
  SourceStatus public_status;          // guarded
};

}  // namespace tidewaiter::ingest

"""Real servers for the tests, each on free loopback ports and stopped by its own pid.

    with Scratch("what-the-test-is-about") as scratch, Kafka(scratch / "kafka") as kafka:
        ...
"""

# SPDX-License-Identifier: MIT
"""4.10 Request and response, as a client builds it from what the server passes on."""
from lib.marks import V5, spec
from lib.mqtt import Prop


@spec("MQTT5 3.3.2-15", "MQTT5 3.3.2-16")
def test_request_and_response(mqtt, topic):
    requester, responder = mqtt.connect(V5), mqtt.connect(V5)
    responder.subscribe(f"{topic}/requests", qos=1)
    requester.subscribe(f"{topic}/answers/me", qos=1)
    for number in range(3):
        props = [(Prop.RESPONSE_TOPIC, f"{topic}/answers/me"), (Prop.CORRELATION_DATA, b"request %d" % number)]
        requester.publish(f"{topic}/requests", b"%d" % number, qos=1, props=props)
        request = responder.receive(f"{topic}/requests", b"%d" % number)
        responder.publish(request.props.get(Prop.RESPONSE_TOPIC), request.payload * 2, qos=1,
                          props=[(Prop.CORRELATION_DATA, request.props.get(Prop.CORRELATION_DATA))])
        answer = requester.receive(f"{topic}/answers/me", b"%d" % number * 2)
        assert answer.props.get(Prop.CORRELATION_DATA) == b"request %d" % number

"""The errors of Ray that bomix tells apart."""


class RayError(Exception):
    pass


class NodeDiedError(RayError):
    pass


class LocalRayletDiedError(RayError):
    pass


class WorkerCrashedError(RayError):
    pass


class OutOfMemoryError(RayError):
    pass


class RuntimeEnvSetupError(RayError):
    pass


class AuthenticationError(RayError):
    pass


class ObjectLostError(RayError):
    pass
